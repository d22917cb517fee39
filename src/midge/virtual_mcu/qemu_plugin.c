/* A TCG plugin that gives QEMU the same block counts as Unicorn: it feeds block_trace.c with every
 * translation block between the entry of `<name>_run` and its return, and writes the tables of each
 * inference to a file.
 *
 * The declarations below are those of QEMU's plugin interface (docs/devel/tcg-plugins), which
 * distributions build into QEMU but do not package as a header. This file and block_trace.c may
 * also be used under the GPL, version 2 or later, since QEMU loads them into itself.
 *
 * Arguments: out=FILE, caller=START:END, harness=START:END, entries=A+B+C and, to simulate caches,
 * flash=START:END:LINE:SETS:WAYS:LINE:SETS:WAYS (fetch, then data). Numbers are hexadecimal. */
#include <stdio.h>

#include "block_trace.c"

#ifndef PLUGIN_VERSION
#error "define PLUGIN_VERSION as the version of the plugin interface of the QEMU that loads this"
#endif

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum plugin_registers { PLUGIN_NO_REGISTERS };
enum plugin_access { PLUGIN_READS = 1 };

typedef void (*tb_translated)(plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*tb_executed)(unsigned int core, void *user);
typedef void (*memory_accessed)(unsigned int core, uint32_t info, uint64_t address, void *user);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, tb_translated callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, tb_executed callback,
                                          enum plugin_registers registers, void *user);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_accessed callback,
                                      enum plugin_registers registers, enum plugin_access access,
                                      void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);

EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

typedef struct {
    uint32_t address;
    uint32_t size;
} tb_extent;

static block_trace *tracer;
static FILE *output;
static uint32_t harness_start, harness_end;
static flash_model flash;
static int with_flash, running;

static void write_tables(void)
{
    const uint32_t count = trace_finish(tracer);
    trace_edge *edges = count == 0xFFFFFFFFu ? NULL : calloc(count + 1u, sizeof *edges);
    if (edges == NULL) {
        fprintf(stderr, "midge: the block tracer ran out of memory\n");
        exit(4);
    }
    trace_edges(tracer, edges);
    fwrite(&count, sizeof count, 1, output);
    fwrite(edges, sizeof *edges, count, output);
    fwrite(tracer->counts, sizeof *tracer->counts, tracer->layers + 1u, output);
    fflush(output);
    free(edges);
}

static void on_block(unsigned int core, void *user)
{
    const tb_extent *extent = user;
    (void)core;
    if (!running && extent->address == tracer->caller_start) {
        running = 1;
        if (!trace_begin(tracer, with_flash ? &flash : NULL)) {
            fprintf(stderr, "midge: the block tracer ran out of memory\n");
            exit(4);
        }
    } else if (running && extent->address >= harness_start && extent->address < harness_end) {
        running = 0;
        write_tables();
    }
    if (running) {
        trace_block(NULL, extent->address, extent->size, tracer);
    }
}

static void on_read(unsigned int core, uint32_t info, uint64_t address, void *user)
{
    (void)core;
    (void)user;
    if (running && address >= flash.start && address < flash.end) {
        trace_read(NULL, 0, address, 1 << qemu_plugin_mem_size_shift(info), 0, tracer);
    }
}

/* The extents live as long as QEMU does: a translated block may run at any later time. */
static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
    const size_t count = qemu_plugin_tb_n_insns(tb);
    tb_extent *extent = calloc(1, sizeof *extent);
    (void)id;
    if (extent == NULL) {
        fprintf(stderr, "midge: the block tracer ran out of memory\n");
        exit(4);
    }
    extent->address = (uint32_t)qemu_plugin_tb_vaddr(tb);
    for (size_t i = 0; i < count; ++i) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        extent->size += (uint32_t)qemu_plugin_insn_size(insn);
        if (with_flash) {
            qemu_plugin_register_vcpu_mem_cb(insn, on_read, PLUGIN_NO_REGISTERS, PLUGIN_READS,
                                             NULL);
        }
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, PLUGIN_NO_REGISTERS, extent);
}

static uint32_t numbers(const char *text, uint32_t *values, uint32_t capacity)
{
    uint32_t count = 0u;
    while (count < capacity && *text != '\0') {
        char *end = NULL;
        values[count++] = (uint32_t)strtoul(text, &end, 16);
        text = *end == '\0' ? end : end + 1;
    }
    return count;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    static uint32_t entries[4096];
    uint32_t layers = 0u, caller[2] = {0u, 0u}, harness[2] = {0u, 0u}, shape[8];
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            output = fopen(argv[i] + 4, "wb");
        } else if (strncmp(argv[i], "caller=", 7) == 0) {
            (void)numbers(argv[i] + 7, caller, 2u);
        } else if (strncmp(argv[i], "harness=", 8) == 0) {
            (void)numbers(argv[i] + 8, harness, 2u);
        } else if (strncmp(argv[i], "entries=", 8) == 0) {
            layers = numbers(argv[i] + 8, entries, 4096u);
        } else if (strncmp(argv[i], "flash=", 6) == 0) {
            with_flash = numbers(argv[i] + 6, shape, 8u) == 8u;
        }
    }
    if (with_flash) {
        flash.start = shape[0];
        flash.end = shape[1];
        flash.fetch = (cache_geometry){shape[2], shape[3], shape[4]};
        flash.data = (cache_geometry){shape[5], shape[6], shape[7]};
    }
    harness_start = harness[0];
    harness_end = harness[1];
    tracer = trace_new(caller[0], caller[1], entries, layers);
    if (output == NULL || tracer == NULL) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
