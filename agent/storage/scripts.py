"""The Lua scripts that make each write to a conversation one atomic step.

All keys of a script belong to one conversation and share its hash tag. Every script decides before
it writes anything, because a script that fails halfway is not rolled back. Each write carries a
nonce and remembers its result under it, so that a caller whose answer was lost can send it again.

A header hash has: `v` version, `epoch` of the running turn ("" if none), `json`, `base` (what the
trimmed part of the log amounted to), `upto` (its last event), `op`/`ids`/`was` (nonce, event ids
and ended epoch of the last commit), `aop`/`aids` (the same of the last append).
"""

from typing import Final

# Reads go by scripts too where they must see one moment: a full Redis 7.0 refuses even a MULTI
# that only reads.

# KEYS header log; ARGV first id, most entries ("" for all)
READ_LOG: Final = """
local header = redis.call('HMGET', KEYS[1], 'v', 'base')
if ARGV[2] == '' then return {header, redis.call('XRANGE', KEYS[2], ARGV[1], '+')} end
return {header, redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])}
"""

# KEYS header log sent
READ_ALL: Final = """
return {redis.call('HMGET', KEYS[1], 'json', 'base'), redis.call('XRANGE', KEYS[2], '-', '+'),
    redis.call('HGETALL', KEYS[3])}
"""

# KEYS header erased; ARGV version epoch json
CREATE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 'erased' end
local stored = redis.call('HGET', KEYS[1], 'json')
if stored == ARGV[3] then return 'ok' end
if stored then return 'exists' end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'epoch', ARGV[2], 'json', ARGV[3])
return 'ok'
"""

# KEYS header log sent
# ARGV nonce, version it was made from, version, epoch, json, client_message_id or "", message_id,
#      index (from 1) of the draft whose event id is remembered, then type, at, data of each draft
COMMIT: Final = """
local stored = redis.call('HMGET', KEYS[1], 'v', 'op', 'ids', 'was', 'epoch')
if not stored[1] then return {'missing'} end
if stored[2] == ARGV[1] then return {'ok', stored[3], stored[4], redis.call('XLEN', KEYS[2])} end
if stored[1] ~= ARGV[2] then return {'conflict'} end
if ARGV[6] ~= '' and redis.call('HEXISTS', KEYS[3], ARGV[6]) == 1 then return {'conflict'} end
local ids = {}
for i = 9, #ARGV, 3 do
    ids[#ids + 1] = redis.call(
        'XADD', KEYS[2], '*', 'type', ARGV[i], 'at', ARGV[i + 1], 'data', ARGV[i + 2])
end
if ARGV[6] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[6], ARGV[7] .. ' ' .. ids[tonumber(ARGV[8])])
end
local joined = table.concat(ids, ' ')
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'epoch', ARGV[4], 'json', ARGV[5],
    'op', ARGV[1], 'ids', joined, 'was', stored[5])
return {'ok', joined, stored[5], redis.call('XLEN', KEYS[2])}
"""

# KEYS header log; ARGV nonce, epoch, then type, at, data of each draft
APPEND: Final = """
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'aop', 'aids')
if stored[2] == ARGV[1] then return {'ok', stored[3]} end
if stored[1] ~= ARGV[2] then return {'stale'} end
local ids = {}
for i = 3, #ARGV, 3 do
    ids[#ids + 1] = redis.call(
        'XADD', KEYS[2], '*', 'type', ARGV[i], 'at', ARGV[i + 1], 'data', ARGV[i + 2])
end
local joined = table.concat(ids, ' ')
redis.call('HSET', KEYS[1], 'aop', ARGV[1], 'aids', joined)
return {'ok', joined}
"""

# KEYS header log; ARGV last trimmed id as it was read, new base, last trimmed id now, first id kept
TRIM: Final = """
local stored = redis.call('HMGET', KEYS[1], 'v', 'upto')
if not stored[1] or (stored[2] or '0-0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'base', ARGV[2], 'upto', ARGV[3])
return redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[4])
"""

# KEYS header log sent released; ARGV version, seconds that the mark stays
# Lets go of a conversation that the archive has; the mark keeps a writer who read an older copy
# from bringing that one back.
RELEASE: Final = """
local stored = redis.call('HMGET', KEYS[1], 'v', 'epoch')
if not stored[1] or stored[1] ~= ARGV[1] or stored[2] ~= '' then return 0 end
redis.call('SET', KEYS[4], ARGV[1], 'EX', ARGV[2])
return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
"""

# KEYS header log sent erased released
# ARGV version, json, base, last trimmed id, number of remembered client message ids, then those
#      ids and their values, then id, type, at, data of each event
RESTORE: Final = """
if redis.call('EXISTS', KEYS[4]) == 1 then return 'erased' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'ok' end
local released = redis.call('GET', KEYS[5])
if released and tonumber(released) > tonumber(ARGV[1]) then return 'older' end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'epoch', '', 'json', ARGV[2], 'base', ARGV[3],
    'upto', ARGV[4])
local last = 5 + 2 * tonumber(ARGV[5])
for i = 6, last, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV, 4 do
    redis.call('XADD', KEYS[2], ARGV[i],
        'type', ARGV[i + 1], 'at', ARGV[i + 2], 'data', ARGV[i + 3])
end
return 'ok'
"""

# KEYS header log sent erased released; ARGV seconds that the tombstone stays
ERASE: Final = """
local removed = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[5])
redis.call('SET', KEYS[4], '1', 'EX', ARGV[1])
return removed
"""

# KEYS sorted set; ARGV member, score that it must be below
FORGET_IDLE: Final = """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) < tonumber(ARGV[2]) then
    return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
"""
