/* A TCG plugin that gives QEMU the same block counts as Unicorn: it feeds block_trace.c with every
 * translation block between the entry of `<name>_run` and its return, and writes the tables of each
 * inference to a file.
 *
 * The declarations below are those of QEMU's plugin interface (docs/devel/tcg-plugins), which
 * distributions build into QEMU but do not package as a header. This file and block_trace.c may
 * also be used under the GPL, version 2 or later, since QEMU loads them into itself.
 *
 * Arguments: isa=thumb|riscv, code=START (where the bytes of midge.code lie), out=FILE,
 * caller=START:END, harness=START:END, layers=COUNT, entries=ROW:ADDRESS+ROW:ADDRESS and, to
 * simulate caches, flash=START:END:LINE:SETS:WAYS:LINE:SETS:WAYS (fetch, then data). Numbers are hexadecimal. */
#include <stdio.h>

#include "block_trace.c"

#ifndef PLUGIN_VERSION
#error "define PLUGIN_VERSION as the version of the plugin interface of the QEMU that loads this"
#endif

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum plugin_registers { PLUGIN_NO_REGISTERS };
enum plugin_access { PLUGIN_READS_AND_WRITES = 3 };

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
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
_Bool qemu_plugin_mem_is_store(uint32_t info);

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
static int with_flash, running, thumb;
static uint8_t *code;
static uint32_t code_start, code_size;

_Noreturn static void fail(const char *reason)
{
    fprintf(stderr, "midge: the block tracer failed: %s\n", reason);
    exit(4);
}

static void write_tables(void)
{
    const uint32_t count = trace_finish(tracer);
    trace_edge *edges = count == 0xFFFFFFFFu ? NULL : calloc(count + 1u, sizeof *edges);
    if (edges == NULL) {
        fail("out of memory");
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
            fail("out of memory");
        }
    } else if (running && extent->address >= harness_start && extent->address < harness_end) {
        running = 0;
        write_tables();
    }
    if (running) {
        trace_block(NULL, extent->address, extent->size, tracer);
    }
}

static void on_memory_access(unsigned int core, uint32_t info, uint64_t address, void *user)
{
    (void)core;
    (void)user;
    /* QEMU 7.2 takes a request for reads as one for writes: ask for both and choose here. */
    if (running && !qemu_plugin_mem_is_store(info) && address >= flash.start &&
        address < flash.end) {
        trace_read(NULL, 0, address, 1 << qemu_plugin_mem_size_shift(info), 0, tracer);
    }
}

/* The length of an instruction, from the program's own bytes: for Thumb, qemu_plugin_insn_size() of
 * QEMU 7.2 also counts the half-word that the translator looks ahead to at the end of a page. */
static uint32_t instruction_size(uint32_t address)
{
    const uint32_t at = address - code_start;
    if (address < code_start || at + 2u > code_size) {
        return 2u;
    }
    const uint32_t half = (uint32_t)code[at] | (uint32_t)code[at + 1u] << 8;
    if (thumb) {
        return half >= 0xE800u ? 4u : 2u;
    }
    return (half & 3u) == 3u ? 4u : 2u;
}

/* The extents live as long as QEMU does: a translated block may run at any later time. */
static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
    const size_t count = qemu_plugin_tb_n_insns(tb);
    tb_extent *extent = calloc(1, sizeof *extent);
    uint32_t end = (uint32_t)qemu_plugin_tb_vaddr(tb);
    (void)id;
    if (extent == NULL) {
        fail("out of memory");
    }
    extent->address = end;
    for (size_t i = 0; i < count; ++i) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint32_t address = (uint32_t)qemu_plugin_insn_vaddr(insn);
        end = address + instruction_size(address);
        if (with_flash) {
            qemu_plugin_register_vcpu_mem_cb(insn, on_memory_access, PLUGIN_NO_REGISTERS,
                                             PLUGIN_READS_AND_WRITES, NULL);
        }
    }
    extent->size = end - extent->address;
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

static void read_code(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail("cannot read midge.code");
    }
    code_size = (uint32_t)ftell(file);
    code = calloc(code_size + 1u, 1u);
    if (code == NULL || fseek(file, 0, SEEK_SET) != 0 ||
        fread(code, 1u, code_size, file) != code_size) {
        fail("cannot read midge.code");
    }
    fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    static uint32_t entries[8192];
    uint32_t layers = 0u, entry_words = 0u, caller[2] = {0u, 0u}, harness[2] = {0u, 0u}, shape[8];
    (void)info;
    for (int i = 0; i < argc; ++i) {
        const char *value = strchr(argv[i], '=');
        const size_t length = value == NULL ? 0u : (size_t)(value - argv[i]);
        value = value == NULL ? "" : value + 1;
        if (length == 3u && strncmp(argv[i], "isa", 3u) == 0) {
            thumb = strcmp(value, "thumb") == 0;
        } else if (length == 4u && strncmp(argv[i], "code", 4u) == 0) {
            (void)numbers(value, &code_start, 1u);
        } else if (length == 3u && strncmp(argv[i], "out", 3u) == 0) {
            output = fopen(value, "wb");
        } else if (length == 6u && strncmp(argv[i], "caller", 6u) == 0) {
            (void)numbers(value, caller, 2u);
        } else if (length == 7u && strncmp(argv[i], "harness", 7u) == 0) {
            (void)numbers(value, harness, 2u);
        } else if (length == 7u && strncmp(argv[i], "entries", 7u) == 0) {
            entry_words = numbers(value, entries, 8192u);
        } else if (length == 6u && strncmp(argv[i], "layers", 6u) == 0) {
            (void)numbers(value, &layers, 1u);
        } else if (length == 5u && strncmp(argv[i], "flash", 5u) == 0) {
            with_flash = numbers(value, shape, 8u) == 8u;
        }
    }
    if (with_flash) {
        flash.start = shape[0];
        flash.end = shape[1];
        flash.fetch = (cache_geometry){shape[2], shape[3], shape[4]};
        flash.data = (cache_geometry){shape[5], shape[6], shape[7]};
    }
    read_code("midge.code");
    harness_start = harness[0];
    harness_end = harness[1];
    /* Pairs of words, as layer_entry is. */
    tracer = trace_new(caller[0], caller[1], (const layer_entry *)entries, entry_words / 2u, layers);
    if (output == NULL || tracer == NULL) {
        fail("cannot open its output, or out of memory");
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
