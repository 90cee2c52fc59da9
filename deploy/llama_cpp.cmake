# Included by CMake right after llama.cpp's own project() call (CMAKE_PROJECT_llama.cpp_INCLUDE).
# llama-cpp-python forces LLAMA_BUILD_COMMON=ON in the cache although Python needs only libllama;
# a normal variable set here wins over the cache and spares about three quarters of the build.
set(LLAMA_BUILD_COMMON OFF)
# What that header mends would end the process on every processor with AMX.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include \"${CMAKE_CURRENT_LIST_DIR}/amx_tile_config.h\">")
