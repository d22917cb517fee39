/* Counts the instructions of every call of one function (what each sample of a stream costs), and the edges between
 * basic blocks.
 *
 * Built for the host. The emulator calls stream_block() for every block that it enters. A stream takes hundreds of
 * millions of them, so edges stand in lists by the address of their block, the one taken last in front. When the
 * flash is simulated, blocks are handed on to block_trace.c instead, which does that and counts edges as well. Blocks
 * inside the function that makes the calls belong to none of them. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#define NONE 0xFFFFFFFFu

typedef void (*block_callback)(void *engine, uint64_t address, uint32_t size, void *user);

/* The first five are as in block_trace.py's EDGE_ROW. */
typedef struct {
    uint64_t count;
    uint32_t layer; /* 0: of the caller, as everything here */
    uint32_t block;
    uint32_t size;
    uint32_t next;
} stream_edge;

typedef struct {
    stream_edge edge;
    uint32_t link; /* the next edge of the block, or NONE */
} listed_edge;

typedef struct {
    uint32_t size; /* of the block that starts here, as last seen */
    uint32_t instructions;
    uint32_t first; /* edge of the block, or NONE */
} block_start;

typedef struct {
    block_callback detour; /* block_trace.c's, taken when the flash is simulated */
    void *detour_user;
    const uint8_t *image; /* of the flash; the caller keeps it */
    uint32_t origin;      /* address of its first byte */
    uint32_t bytes;
    uint32_t is_arm;
    uint32_t called;       /* entry of the function whose calls are counted */
    uint32_t caller_start; /* of the function that calls it */
    uint32_t caller_end;
    block_start *starts; /* by half-word of the image */
    listed_edge *edges;
    uint32_t capacity;
    uint32_t used;
    uint32_t failed; /* out of memory, or a block outside the image */
    uint32_t block;  /* being executed, or NONE */
    uint32_t size;
    uint32_t *calls; /* instructions of each call; the caller's */
    uint32_t most_calls;
    uint32_t made;
    uint32_t inside;
    uint32_t is_simulating;
    uint32_t blocks; /* for the rare look at the clock */
    time_t deadline;
    int (*stop)(void *engine);
} stream_trace;

/* The first half-word of an instruction says how long it is; see block_trace.py. */
static uint32_t count_instructions(const stream_trace *trace, uint32_t at, uint32_t size)
{
    uint32_t count = 0u;
    const uint32_t end = at + size;
    while (at + 1u < trace->bytes && at < end) {
        const uint32_t half = trace->image[at] | (uint32_t)trace->image[at + 1u] << 8;
        const int is_long = trace->is_arm ? half >= 0xE800u : (half & 3u) == 3u;
        at += is_long ? 4u : 2u;
        ++count;
    }
    return count;
}

static void add_edge(stream_trace *trace, block_start *start, uint32_t next)
{
    if (trace->used == trace->capacity) {
        const uint32_t capacity = trace->capacity * 2u;
        listed_edge *edges = realloc(trace->edges, capacity * sizeof *edges);
        if (edges == NULL) {
            trace->failed = 1u;
            return;
        }
        trace->edges = edges;
        trace->capacity = capacity;
    }
    listed_edge *added = &trace->edges[trace->used];
    added->edge = (stream_edge){1u, 0u, trace->block, trace->size, next};
    added->link = start->first;
    start->first = trace->used++;
}

static void count_edge(stream_trace *trace, uint32_t next)
{
    block_start *start = &trace->starts[(trace->block - trace->origin) >> 1];
    uint32_t *link = &start->first;
    while (*link != NONE) {
        const uint32_t at = *link;
        listed_edge *listed = &trace->edges[at];
        if (listed->edge.next == next && listed->edge.size == trace->size) {
            ++listed->edge.count;
            if (link != &start->first) {
                *link = listed->link;
                listed->link = start->first;
                start->first = at;
            }
            return;
        }
        link = &listed->link;
    }
    add_edge(trace, start, next);
}

/* The emulator's block callback. */
EXPORT void stream_block(void *engine, uint64_t address, uint32_t size, void *user)
{
    stream_trace *trace = user;
    const uint32_t begin = (uint32_t)address;
    const uint32_t at = begin - trace->origin;
    if (at >= trace->bytes) {
        trace->failed = 1u;
        return;
    }
    if (trace->is_simulating) {
        trace->detour(engine, address, size, trace->detour_user);
    } else if (trace->block != NONE) {
        count_edge(trace, begin);
    }
    if ((++trace->blocks & 0xFFFFu) == 0u && time(NULL) > trace->deadline) {
        (void)trace->stop(engine);
    }
    trace->block = begin;
    trace->size = size;
    if (begin >= trace->caller_start && begin < trace->caller_end) {
        trace->inside = 0u;
        return;
    }
    if (begin == trace->called && !trace->inside && trace->made < trace->most_calls) {
        trace->inside = 1u;
        trace->calls[trace->made++] = 0u;
    }
    if (trace->inside) {
        block_start *start = &trace->starts[at >> 1];
        if (start->size != size) {
            start->size = size;
            start->instructions = count_instructions(trace, at, size);
        }
        trace->calls[trace->made - 1u] += start->instructions;
    }
}

EXPORT void stream_free(stream_trace *trace)
{
    if (trace != NULL) {
        free(trace->starts);
        free(trace->edges);
        free(trace);
    }
}

/* Returns NULL when memory runs out. */
EXPORT stream_trace *stream_new(block_callback detour, void *detour_user, const uint8_t *image, uint32_t origin,
                                uint32_t bytes, uint32_t is_arm, uint32_t called, uint32_t caller_start,
                                uint32_t caller_end)
{
    stream_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return NULL;
    }
    trace->detour = detour;
    trace->detour_user = detour_user;
    trace->image = image;
    trace->origin = origin;
    trace->bytes = bytes;
    trace->is_arm = is_arm;
    trace->called = called;
    trace->caller_start = caller_start;
    trace->caller_end = caller_end;
    trace->capacity = 4096u;
    trace->block = NONE;
    trace->starts = calloc(bytes / 2u + 1u, sizeof *trace->starts);
    trace->edges = calloc(trace->capacity, sizeof *trace->edges);
    if (trace->starts == NULL || trace->edges == NULL) {
        stream_free(trace);
        return NULL;
    }
    return trace;
}

/* From now on calls are counted into `calls`, which has room for `most`, and edges anew. After `seconds`, to the
 * clock's whole second, a block stops the emulation. */
EXPORT void stream_begin(stream_trace *trace, uint32_t *calls, uint32_t most, uint32_t is_simulating,
                         uint32_t seconds, int (*stop)(void *engine))
{
    for (uint32_t i = 0; i <= trace->bytes / 2u; ++i) {
        trace->starts[i].first = NONE;
    }
    trace->used = 0u;
    trace->failed = 0u;
    trace->block = NONE;
    trace->calls = calls;
    trace->most_calls = most;
    trace->made = 0u;
    trace->inside = 0u;
    trace->is_simulating = is_simulating;
    trace->deadline = time(NULL) + (time_t)seconds;
    trace->stop = stop;
}

/* The last block leads nowhere. Returns the number of distinct edges, or 0xFFFFFFFF when counting failed. */
EXPORT uint32_t stream_finish(stream_trace *trace)
{
    if (trace->block != NONE && !trace->is_simulating) {
        count_edge(trace, NONE);
    }
    trace->block = NONE;
    return trace->failed ? NONE : trace->used;
}

/* Copies every edge, in the order in which they were first taken; `edges` has room for what stream_finish() returned. */
EXPORT void stream_edges(const stream_trace *trace, stream_edge *edges)
{
    for (uint32_t i = 0; i < trace->used; ++i) {
        edges[i] = trace->edges[i].edge;
    }
}

EXPORT uint32_t stream_calls(const stream_trace *trace)
{
    return trace->made;
}
