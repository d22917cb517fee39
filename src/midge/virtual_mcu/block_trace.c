/* Counts the edges between basic blocks of an emulated program, per layer, and runs what the blocks
 * fetch and read through a model of the flash's caches.
 *
 * Built for the host. The emulator calls trace_block() for every block that it enters and, when
 * flash data reads are modelled, trace_read() for every load from flash: a callback in Python would
 * cost thirty times what the emulated block does.
 *
 * Layers: the rows are 0 for the caller, `<name>_run` itself and what it calls besides layers, and
 * 1..n for the layers in call order. A layer begins where its entry address follows a block of the
 * caller; it ends with the next block inside the caller's range. An address may serve several layers
 * (one function called twice, or identical ones folded by the compiler) and a layer may have several
 * (clones): each entry is given to the first layer, after those entered so far, that has the
 * address. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* No block starts at an odd address on a core that Midge knows. */
#define NO_BLOCK 0xFFFFFFFFu

typedef struct {
    uint64_t count;
    uint32_t layer;
    uint32_t block;
    uint32_t size;
    uint32_t next;
} trace_edge;

/* Shared with block_trace.py, as are the next two. */
typedef struct {
    uint32_t row;
    uint32_t address;
} layer_entry;

typedef struct {
    uint32_t line_bytes;
    uint32_t sets;
    uint32_t ways;
} cache_geometry;

typedef struct {
    uint32_t start;
    uint32_t end;
    cache_geometry fetch;
    cache_geometry data; /* sets = 0: data reads look into the fetch cache */
} flash_model;

/* Per layer; FlashStatistics in memory_model.py says what each one means. */
typedef struct {
    uint64_t fetch_lines;
    uint64_t fetch_misses;
    uint64_t fetch_misses_sequential;
    uint64_t data_reads;
    uint64_t data_misses;
} flash_counts;

typedef struct {
    cache_geometry geometry;
    uint32_t *tags;     /* sets * ways; line number + 1, 0 when empty */
    uint64_t *last_use; /* sets * ways */
    uint64_t clock;
} cache;

/* uc_reg_read and uc_reg_write */
typedef int (*access_register)(void *engine, int number, void *value);

typedef struct {
    trace_edge *edges;
    uint32_t capacity; /* a power of two */
    uint32_t used;
    trace_edge *recent; /* loops take the same edge over and over */
    uint32_t caller_start;
    uint32_t caller_end;
    layer_entry *entries; /* by row */
    uint32_t entry_count;
    uint32_t layers;
    uint32_t layer;   /* row of the block being executed */
    uint32_t entered; /* layers entered so far; the last layer's row */
    uint32_t block;   /* the block being executed */
    uint32_t size;
    uint32_t failed; /* out of memory */
    uint32_t blocks; /* entered; for the rare look at the clock */
    time_t deadline; /* 0: none */
    int (*stop)(void *engine);
    access_register read_register; /* NULL: the core has no IT blocks */
    access_register write_register;
    int status; /* number of the register that holds the state of an IT block */
    uint32_t has_flash;
    flash_model flash;
    cache fetch;
    cache data;
    uint32_t last_line; /* the line the core is fetching from, + 1; 0: none */
    flash_counts *counts;
} block_trace;

static uint32_t hash_edge(uint32_t layer, uint32_t block, uint32_t next)
{
    uint64_t h = (((uint64_t)block << 32) | next) ^ ((uint64_t)layer << 17);
    h *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static trace_edge *find_edge(trace_edge *edges, uint32_t capacity, const trace_edge *key)
{
    const uint32_t mask = capacity - 1u;
    uint32_t at = hash_edge(key->layer, key->block, key->next) & mask;
    for (;;) {
        trace_edge *edge = &edges[at];
        if (edge->count == 0u ||
            (edge->block == key->block && edge->next == key->next && edge->layer == key->layer &&
             edge->size == key->size)) {
            return edge;
        }
        at = (at + 1u) & mask;
    }
}

static int grow(block_trace *trace)
{
    const uint32_t capacity = trace->capacity * 2u;
    trace_edge *edges = calloc(capacity, sizeof *edges);
    if (edges == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < trace->capacity; ++i) {
        if (trace->edges[i].count != 0u) {
            *find_edge(edges, capacity, &trace->edges[i]) = trace->edges[i];
        }
    }
    free(trace->edges);
    trace->edges = edges;
    trace->capacity = capacity;
    trace->recent = NULL;
    return 1;
}

static void count_edge(block_trace *trace, uint32_t next)
{
    trace_edge *edge = trace->recent;
    if (edge != NULL && edge->block == trace->block && edge->next == next &&
        edge->size == trace->size && edge->layer == trace->layer) {
        ++edge->count;
        return;
    }
    if (trace->used * 2u >= trace->capacity && !grow(trace)) {
        trace->failed = 1u;
        return;
    }
    const trace_edge key = {0u, trace->layer, trace->block, trace->size, next};
    edge = find_edge(trace->edges, trace->capacity, &key);
    if (edge->count == 0u) {
        *edge = key;
        ++trace->used;
    }
    ++edge->count;
    trace->recent = edge;
}

static void enter_block(block_trace *trace, uint32_t address)
{
    if (address >= trace->caller_start && address < trace->caller_end) {
        trace->layer = 0u;
    } else if (trace->layer == 0u) {
        for (uint32_t i = 0; i < trace->entry_count; ++i) {
            const layer_entry *entry = &trace->entries[i];
            if (entry->address == address && entry->row > trace->entered) {
                trace->layer = entry->row;
                trace->entered = entry->row;
                break;
            }
        }
    }
}

/* Least recently used replacement. Returns whether the line was there, and brings it in. */
static int cache_access(cache *cache, uint32_t line)
{
    const uint32_t ways = cache->geometry.ways;
    const uint32_t set = line % cache->geometry.sets;
    uint32_t *tags = cache->tags + (size_t)set * ways;
    uint64_t *last_use = cache->last_use + (size_t)set * ways;
    uint32_t oldest = 0u;
    ++cache->clock;
    for (uint32_t way = 0; way < ways; ++way) {
        if (tags[way] == line + 1u) {
            last_use[way] = cache->clock;
            return 1;
        }
        if (last_use[way] < last_use[oldest]) {
            oldest = way;
        }
    }
    tags[oldest] = line + 1u;
    last_use[oldest] = cache->clock;
    return 0;
}

static void fetch_block(block_trace *trace, uint32_t address, uint32_t size)
{
    const uint32_t line_bytes = trace->fetch.geometry.line_bytes;
    flash_counts *counts = &trace->counts[trace->layer];
    if (address < trace->flash.start || address >= trace->flash.end) {
        trace->last_line = 0u;
        return;
    }
    const uint32_t last = (address + size - 1u) / line_bytes;
    for (uint32_t line = address / line_bytes; line <= last; ++line) {
        if (line + 1u == trace->last_line) {
            continue;
        }
        ++counts->fetch_lines;
        if (!cache_access(&trace->fetch, line)) {
            ++counts->fetch_misses;
            if (line == trace->last_line) {
                ++counts->fetch_misses_sequential;
            }
        }
        trace->last_line = line + 1u;
    }
}

/* The emulator's block callback. */
EXPORT void trace_block(void *engine, uint64_t address, uint32_t size, void *user)
{
    block_trace *trace = user;
    const uint32_t start = (uint32_t)address;
    if (trace->block != NO_BLOCK) {
        count_edge(trace, start);
    }
    if ((++trace->blocks & 0xFFFFu) == 0u && trace->deadline != 0 &&
        time(NULL) > trace->deadline) {
        (void)trace->stop(engine);
    }
    enter_block(trace, start);
    trace->block = start;
    trace->size = size;
    if (trace->has_flash) {
        fetch_block(trace, start, size);
    }
}

/* Before it calls back, Unicorn brings the registers up to the present instruction, the state of an IT
 * block with them, and leaves that state behind: a block that it looks up next would begin as if
 * inside of the IT block. No block that is running reads it, so it goes here. */
static void leave_it_block(const block_trace *trace, void *engine)
{
    const uint32_t it_state = 0x0600FC00u;
    uint32_t status = 0u;
    if (trace->read_register == NULL) {
        return;
    }
    (void)trace->read_register(engine, trace->status, &status);
    if ((status & it_state) != 0u) {
        status &= ~it_state;
        (void)trace->write_register(engine, trace->status, &status);
    }
}

/* The emulator's read callback, for loads from the flash's addresses. */
EXPORT void trace_read(void *engine, int type, uint64_t address, int size, int64_t value,
                       void *user)
{
    block_trace *trace = user;
    flash_counts *counts = &trace->counts[trace->layer];
    (void)type;
    (void)value;
    leave_it_block(trace, engine);
    counts->data_reads += size > 4 ? 2u : 1u;
    cache *cache = trace->data.geometry.sets == 0u ? &trace->fetch : &trace->data;
    const uint32_t line_bytes = cache->geometry.line_bytes;
    const uint32_t start = (uint32_t)address;
    const uint32_t last = (start + (uint32_t)size - 1u) / line_bytes;
    for (uint32_t line = start / line_bytes; line <= last; ++line) {
        if (!cache_access(cache, line)) {
            ++counts->data_misses;
        }
    }
}

static void cache_release(cache *cache)
{
    free(cache->tags);
    free(cache->last_use);
    memset(cache, 0, sizeof *cache);
}

static int cache_allocate(cache *cache, const cache_geometry *geometry)
{
    const size_t lines = (size_t)geometry->sets * geometry->ways;
    cache_release(cache);
    cache->geometry = *geometry;
    if (lines == 0u) {
        return 1;
    }
    cache->tags = calloc(lines, sizeof *cache->tags);
    cache->last_use = calloc(lines, sizeof *cache->last_use);
    return cache->tags != NULL && cache->last_use != NULL;
}

EXPORT void trace_free(block_trace *trace)
{
    if (trace != NULL) {
        free(trace->edges);
        free(trace->entries);
        cache_release(&trace->fetch);
        cache_release(&trace->data);
        free(trace->counts);
        free(trace);
    }
}

/* Starts a run with empty tables and cold caches. `flash` may be NULL; then only edges are counted.
 * Returns 0 when memory runs out. */
EXPORT int trace_begin(block_trace *trace, const flash_model *flash)
{
    memset(trace->edges, 0, trace->capacity * sizeof *trace->edges);
    memset(trace->counts, 0, (trace->layers + 1u) * sizeof *trace->counts);
    trace->used = 0u;
    trace->recent = NULL;
    trace->layer = 0u;
    trace->entered = 0u;
    trace->block = NO_BLOCK;
    trace->failed = 0u;
    trace->last_line = 0u;
    trace->has_flash = flash != NULL;
    if (flash == NULL) {
        return 1;
    }
    trace->flash = *flash;
    return cache_allocate(&trace->fetch, &flash->fetch) &&
           cache_allocate(&trace->data, &flash->data);
}

/* From `seconds` from now on, to the clock's whole second, a block stops the emulation. */
EXPORT void trace_limit(block_trace *trace, uint32_t seconds, int (*stop)(void *engine))
{
    trace->deadline = time(NULL) + (time_t)seconds;
    trace->stop = stop;
}

/* How to reach the state of IT blocks, on a core that has them. */
EXPORT void trace_registers(block_trace *trace, access_register read, access_register write,
                            int status)
{
    trace->read_register = read;
    trace->write_register = write;
    trace->status = status;
}

/* `entries` are sorted by row. Returns NULL when memory runs out. */
EXPORT block_trace *trace_new(uint32_t caller_start, uint32_t caller_end,
                              const layer_entry *entries, uint32_t entry_count, uint32_t layers)
{
    block_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return NULL;
    }
    trace->capacity = 4096u;
    trace->entries = calloc(entry_count + 1u, sizeof *trace->entries);
    trace->edges = calloc(trace->capacity, sizeof *trace->edges);
    trace->counts = calloc(layers + 1u, sizeof *trace->counts);
    if (trace->entries == NULL || trace->edges == NULL || trace->counts == NULL) {
        trace_free(trace);
        return NULL;
    }
    memcpy(trace->entries, entries, entry_count * sizeof *trace->entries);
    trace->entry_count = entry_count;
    trace->caller_start = caller_start;
    trace->caller_end = caller_end;
    trace->layers = layers;
    trace->block = NO_BLOCK;
    return trace;
}

/* Ends a run: the last block leads nowhere. Returns the number of distinct edges, or 0xFFFFFFFF when
 * memory ran out. */
EXPORT uint32_t trace_finish(block_trace *trace)
{
    if (trace->block != NO_BLOCK) {
        count_edge(trace, NO_BLOCK);
        trace->block = NO_BLOCK;
    }
    return trace->failed ? 0xFFFFFFFFu : trace->used;
}

/* Copies every edge in no particular order; `edges` has room for what trace_finish() returned. */
EXPORT void trace_edges(const block_trace *trace, trace_edge *edges)
{
    uint32_t at = 0u;
    for (uint32_t i = 0; i < trace->capacity; ++i) {
        if (trace->edges[i].count != 0u) {
            edges[at++] = trace->edges[i];
        }
    }
}

EXPORT void trace_flash_counts(const block_trace *trace, flash_counts *counts)
{
    memcpy(counts, trace->counts, (trace->layers + 1u) * sizeof *counts);
}

/* The row of the block being executed, for a report of where a fault happened. */
EXPORT uint32_t trace_layer(const block_trace *trace)
{
    return trace->layer;
}
