"""The Lua scripts that make each write to a conversation one atomic step.

The keys of a conversation share its hash tag; the feed and the lists across conversations do not,
and are written in the same step all the same, which takes one server (with replicas), no cluster.
Every script decides before it writes anything, because a script that fails halfway is not rolled
back. Each write carries a nonce and remembers its result under it, so that a caller whose answer
was lost can send it again.

A header hash has: `v` version, `epoch` of the running turn ("" if none), `json`, `lists` (where it
stands: "list place list place …"), `base` (what the trimmed part of the log amounted to), `upto`
(its last event), `op`/`ids` (nonce and event ids of the last commit), `aop`/`aids` (the same of the
last append).
"""

from typing import Final

FEED_LIMIT: Final = 20_000

# Moves the conversation `id` to the places `wanted` ("" for none) from those that it stands at.
_PLACE: Final = """
local function place(header, lists, id, wanted)
    local stands = {}
    local stored = redis.call('HGET', header, 'lists') or ''
    for list, at in string.gmatch(stored, '(%S+) (%S+)') do stands[list] = at end
    for list, at in string.gmatch(wanted, '(%S+) (%S+)') do
        if stands[list] ~= at then redis.call('ZADD', lists .. list, at, id) end
        stands[list] = nil
    end
    for list in pairs(stands) do redis.call('ZREM', lists .. list, id) end
end
"""

# One line of the feed: the conversation `id` got the events of `ids`.
_ANNOUNCE: Final = f"""
local function announce(feed, id, ids)
    if #ids > 0 then
        redis.call('XADD', feed, 'MAXLEN', '~', {FEED_LIMIT}, '*',
            'c', id, 'from', ids[1], 'to', ids[#ids])
    end
end
"""

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

# KEYS list; ARGV first place, last place, what the keys of conversations begin with
READ_LIST: Final = """
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])) do
    found[#found + 1] = redis.call('HGET', ARGV[3] .. '{' .. id .. '}:header', 'json')
end
return found
"""

# KEYS lists; ARGV first place that counts
COUNT: Final = """
local sizes = {}
for i, list in ipairs(KEYS) do sizes[i] = redis.call('ZCOUNT', list, ARGV[1], '+inf') end
return sizes
"""

# KEYS header; ARGV version, lists, id, places
PLACE: Final = (
    _PLACE
    + """
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[1] then return 0 end
place(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[1], 'lists', ARGV[4])
return 1
"""
)

# KEYS header erased; ARGV lists, id, places, version, epoch, json
CREATE: Final = (
    _PLACE
    + """
if redis.call('EXISTS', KEYS[2]) == 1 then return 'erased' end
local stored = redis.call('HGET', KEYS[1], 'json')
if stored == ARGV[6] then return 'ok' end
if stored then return 'exists' end
place(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[1], 'lists', ARGV[3], 'v', ARGV[4], 'epoch', ARGV[5], 'json', ARGV[6])
return 'ok'
"""
)

# KEYS header log sent feed
# ARGV lists, id, places, version, epoch, json, nonce, version it was made from, client_message_id
#      or "", message_id, index (from 1) of the draft whose event id is remembered, then type, at,
#      data of each draft
COMMIT: Final = (
    _PLACE
    + _ANNOUNCE
    + """
local stored = redis.call('HMGET', KEYS[1], 'v', 'op', 'ids')
if not stored[1] then return {'missing'} end
if stored[2] == ARGV[7] then return {'ok', stored[3], redis.call('XLEN', KEYS[2])} end
if stored[1] ~= ARGV[8] then return {'conflict'} end
if ARGV[9] ~= '' and redis.call('HEXISTS', KEYS[3], ARGV[9]) == 1 then return {'conflict'} end
local ids = {}
for i = 12, #ARGV, 3 do
    ids[#ids + 1] = redis.call(
        'XADD', KEYS[2], '*', 'type', ARGV[i], 'at', ARGV[i + 1], 'data', ARGV[i + 2])
end
if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[9], ARGV[10] .. ' ' .. ids[tonumber(ARGV[11])])
end
place(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
local joined = table.concat(ids, ' ')
redis.call('HSET', KEYS[1], 'lists', ARGV[3], 'v', ARGV[4], 'epoch', ARGV[5], 'json', ARGV[6],
    'op', ARGV[7], 'ids', joined)
announce(KEYS[4], ARGV[2], ids)
return {'ok', joined, redis.call('XLEN', KEYS[2])}
"""
)

# KEYS header log feed; ARGV id, nonce, epoch, then type, at, data of each draft
APPEND: Final = (
    _ANNOUNCE
    + """
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'aop', 'aids')
if stored[2] == ARGV[2] then return {'ok', stored[3]} end
if stored[1] ~= ARGV[3] then return {'stale'} end
local ids = {}
for i = 4, #ARGV, 3 do
    ids[#ids + 1] = redis.call(
        'XADD', KEYS[2], '*', 'type', ARGV[i], 'at', ARGV[i + 1], 'data', ARGV[i + 2])
end
local joined = table.concat(ids, ' ')
redis.call('HSET', KEYS[1], 'aop', ARGV[2], 'aids', joined)
announce(KEYS[3], ARGV[1], ids)
return {'ok', joined}
"""
)

# KEYS header log; ARGV last trimmed id as it was read, new base, last trimmed id now, first id kept
TRIM: Final = """
local stored = redis.call('HMGET', KEYS[1], 'v', 'upto')
if not stored[1] or (stored[2] or '0-0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'base', ARGV[2], 'upto', ARGV[3])
return redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[4])
"""

# KEYS header log sent released; ARGV lists, id, version, seconds that the mark stays
# Lets go of a conversation that the archive has; the mark keeps a writer who read an older copy
# from bringing that one back.
RELEASE: Final = (
    _PLACE
    + """
local stored = redis.call('HMGET', KEYS[1], 'v', 'epoch')
if not stored[1] or stored[1] ~= ARGV[3] or stored[2] ~= '' then return 0 end
redis.call('SET', KEYS[4], ARGV[3], 'EX', ARGV[4])
place(KEYS[1], ARGV[1], ARGV[2], '')
return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
"""
)

# KEYS header log sent erased released
# ARGV lists, id, places, version, json, base, last trimmed id, number of remembered client message
#      ids, then those ids and their values, then id, type, at, data of each event
RESTORE: Final = (
    _PLACE
    + """
if redis.call('EXISTS', KEYS[4]) == 1 then return 'erased' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'ok' end
local released = redis.call('GET', KEYS[5])
if released and tonumber(released) > tonumber(ARGV[4]) then return 'older' end
place(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[1], 'lists', ARGV[3], 'v', ARGV[4], 'epoch', '', 'json', ARGV[5],
    'base', ARGV[6], 'upto', ARGV[7])
local last = 8 + 2 * tonumber(ARGV[8])
for i = 9, last, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV, 4 do
    redis.call('XADD', KEYS[2], ARGV[i],
        'type', ARGV[i + 1], 'at', ARGV[i + 2], 'data', ARGV[i + 3])
end
return 'ok'
"""
)

# KEYS header log sent erased released feed; ARGV lists, id, seconds that the tombstone stays
# The feed's line without events means that anything may have happened.
ERASE: Final = (
    _PLACE
    + f"""
place(KEYS[1], ARGV[1], ARGV[2], '')
local removed = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[5])
redis.call('SET', KEYS[4], '1', 'EX', ARGV[3])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', {FEED_LIMIT}, '*',
    'c', ARGV[2], 'from', '0-0', 'to', '0-0')
return removed
"""
)
