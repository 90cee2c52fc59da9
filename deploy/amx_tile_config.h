// Read before every C++ source of llama.cpp (see llama_cpp.cmake).
//
// In the headers of GCC 11 to 14 the macro behind _tile_loadconfig tells the compiler that it reads
// eight bytes of the tile configuration; it reads all 64. llama.cpp keeps that configuration in a
// local variable, so the compiler leaves out the stores of the other 56, and the first prompt that
// is longer than one token ends the process with SIGSEGV on every processor that has AMX
// (ggml-org/llama.cpp issue 20824). Here it is told the truth.
#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) \
    __asm__ volatile("ldtilecfg\t%X0" ::"m"(*static_cast<const char(*)[64]>( \
        static_cast<const void *>(config))))
#endif
