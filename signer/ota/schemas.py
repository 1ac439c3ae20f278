"""Schemas of a package's messages: AOSP's `update_metadata.proto` and `ota_metadata.proto`.

Field numbers and types are those of update_engine at commit e2094a19. An enumeration has 31 `bits`
and a `bool` has 1, so that no reader truncates a number to another one.
"""

from dataclasses import replace

from signer.ota.protobuf import BYTES, FIXED32, VARINT, Field, Schema

_NUMBER, _NUMBER32, _ENUM = Field(VARINT), Field(VARINT, bits=32), Field(VARINT, bits=31)
_FLAG, _FIXED32 = Field(VARINT, bits=1), Field(FIXED32)
_DATA, _TEXT = Field(BYTES), Field(BYTES, is_text=True)


def _one(schema: Schema) -> Field:
    return Field(BYTES, message=schema)


def _many(field: Field) -> Field:
    return replace(field, is_repeated=True)


EXTENT = Schema({1: _NUMBER, 2: _NUMBER})
OPERATION = Schema(
    {
        1: _ENUM,
        2: _NUMBER,
        3: _NUMBER,
        4: _many(_one(EXTENT)),
        5: _NUMBER,
        6: _many(_one(EXTENT)),
        7: _NUMBER,
        8: _DATA,
        9: _DATA,
    }
)
SIGNATURE = Schema({1: _NUMBER32, 2: _DATA, 3: _FIXED32})
SIGNATURES = Schema({1: _many(_one(SIGNATURE))})
_INFO = Schema({1: _NUMBER, 2: _DATA})
_MERGE = Schema({1: _ENUM, 2: _one(EXTENT), 3: _one(EXTENT), 4: _NUMBER32})
PARTITION = Schema(
    {
        1: _TEXT,
        2: _FLAG,
        3: _TEXT,
        4: _TEXT,
        5: _many(_one(SIGNATURE)),
        6: _one(_INFO),
        7: _one(_INFO),
        8: _many(_one(OPERATION)),
        9: _FLAG,
        10: _one(EXTENT),
        11: _one(EXTENT),
        12: _TEXT,
        13: _DATA,
        14: _one(EXTENT),
        15: _one(EXTENT),
        16: _NUMBER32,
        17: _TEXT,
        18: _many(_one(_MERGE)),
        19: _NUMBER,
        20: _NUMBER,
    }
)
_GROUP = Schema({1: _TEXT, 2: _NUMBER, 3: _many(_TEXT)})
_FEATURES = Schema({1: _FLAG, 2: _FLAG})
_DYNAMIC = Schema(
    {
        1: _many(_one(_GROUP)),
        2: _FLAG,
        3: _FLAG,
        4: _TEXT,
        5: _NUMBER32,
        6: _one(_FEATURES),
        7: _NUMBER,
    }
)
_APEX = Schema({1: _TEXT, 2: _NUMBER, 3: _FLAG, 4: _NUMBER})
MANIFEST = Schema(
    {
        3: _NUMBER32,
        4: _NUMBER,
        5: _NUMBER,
        12: _NUMBER32,
        13: _many(_one(PARTITION)),
        14: _NUMBER,
        15: _one(_DYNAMIC),
        16: _FLAG,
        17: _many(_one(_APEX)),
        18: _TEXT,
    }
)
_STATE = Schema({1: _TEXT, 2: _many(_TEXT), 3: _many(_TEXT), 4: _TEXT})
DEVICE_STATE = Schema(
    {
        1: _many(_TEXT),
        2: _many(_TEXT),
        3: _TEXT,
        4: _NUMBER,
        5: _TEXT,
        6: _TEXT,
        7: _many(_one(_STATE)),
    }
)
_PAIR = Schema({1: _TEXT, 2: _TEXT})
METADATA = Schema(
    {
        1: _ENUM,
        2: _FLAG,
        3: _FLAG,
        4: _many(_one(_PAIR)),
        5: _one(DEVICE_STATE),
        6: _one(DEVICE_STATE),
        7: _FLAG,
        8: _NUMBER,
        9: _FLAG,
    }
)
