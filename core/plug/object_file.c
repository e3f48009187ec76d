/* ELF (System V Application Binary Interface, chapters 4 and 5), as far as a loader trusts it: the file header, the segments, the sections'
 * table for where the file ends and for the names that it exports. All numbers of the file are checked against its size before they are
 * used, and everything is read with pread, so that a file that shrinks meanwhile is a short read.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/object_file.h"
#include "core/base/text.h"
#include "core/plug/plug_private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h> /* ElfW */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_BYTES_MAX ((uint64_t)64 << 20) /* largest table of symbols, or of their names, that is read */
#define HEADERS_MAX 128                      /* most segments; a linker makes about ten */
#define FRONT_BYTES 2048                      /* first bytes of the file that are read at once: all headers, usually */

#if defined __x86_64__
#define MACHINE EM_X86_64
#elif defined __aarch64__
#define MACHINE EM_AARCH64
#elif defined __riscv
#define MACHINE EM_RISCV
#elif defined __powerpc64__
#define MACHINE EM_PPC64
#elif defined __s390x__
#define MACHINE EM_S390
#elif defined __i386__
#define MACHINE EM_386
#elif defined __arm__
#define MACHINE EM_ARM
#else
#define MACHINE EM_NONE /* any machine */
#endif

struct object {
    int fd;
    uint64_t bytes;
    size_t front_bytes;
    unsigned char front[FRONT_BYTES];
    ElfW(Ehdr) head;
    ElfW(Phdr) segment[HEADERS_MAX];
    char *why;
    size_t capacity;
};

static int TESS_PRINTF(2, 3) object_refuse(struct object *o, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(o->why, o->capacity, format, list);
    va_end(list);
    return 0;
}

/* Reads `count` bytes at offset `at` of the file, which has them. */
static int object_read(const struct object *o, uint64_t at, void *to, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = pread(o->fd, (char *)to + done, count - done, (off_t)(at + done));
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return 0;
        done += n > 0 ? (size_t)n : 0;
    }
    return 1;
}

static int lies_within(const struct object *o, uint64_t at, uint64_t count)
{
    return at <= o->bytes && count <= o->bytes - at;
}

/* ---- the file ------------------------------------------------------------------------------------------------------- */

static const char *file_type(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a device"
           : S_ISBLK(mode)  ? "a device"
                            : "something else";
}

static int object_not_open(struct object *o, const char *path, int error)
{
    struct stat about, link;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return object_refuse(o, "wanted a shared object, found %s", file_type(about.st_mode));
    if (error == ENOENT && lstat(path, &link) == 0 && S_ISLNK(link.st_mode))
        return object_refuse(o, "wanted a shared object, found a link to a file that is not there");
    return object_refuse(o, "wanted a shared object that can be read, found: %s", strerror(error));
}

static int object_open(struct object *o, const char *path)
{
    struct stat about;
    o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe would be waited for */
    if (o->fd < 0 || fstat(o->fd, &about) != 0)
        return object_not_open(o, path, errno);
    if (!S_ISREG(about.st_mode))
        return object_refuse(o, "wanted a shared object, found %s", file_type(about.st_mode));
    o->bytes = (uint64_t)about.st_size;
    o->front_bytes = o->bytes < FRONT_BYTES ? (size_t)o->bytes : FRONT_BYTES;
    if (!object_read(o, 0, o->front, o->front_bytes))
        return object_refuse(o, "wanted a shared object that can be read, found: %s", errno ? strerror(errno) : "it ends early");
    return 1;
}

/* A name for the kind of a file that is no ELF file, from its first bytes. */
static const char *other_format(const unsigned char *head, size_t n)
{
    static const struct {
        const char *start, *name;
    } known[] = {{"#!", "a script"},
                 {"!<arch>", "a static library"},
                 {"MZ", "a library of Windows"},
                 {"\xcf\xfa\xed\xfe", "a library of macOS"},
                 {"\xca\xfe\xba\xbe", "a library of macOS"},
                 {"version https://git-lfs", "the pointer of Git LFS to a file that was not fetched"},
                 {"# ", "a text"},
                 {"BC\xc0\xde", "LLVM bitcode"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= strlen(known[i].start) && memcmp(head, known[i].start, strlen(known[i].start)) == 0)
            return known[i].name;
    for (size_t i = 0; i < n; i++)
        if ((head[i] < ' ' && !strchr("\t\n\r\f", head[i])) || head[i] == 0 || head[i] > 0x7e)
            return "something else";
    return "a text";
}

static const char *machine_name(unsigned machine, char text[24])
{
    static const struct {
        unsigned number;
        const char *name;
    } known[] = {{EM_X86_64, "x86-64"}, {EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"}, {EM_PPC64, "PowerPC"},
                 {EM_S390, "S/390"},    {EM_386, "x86"},         {EM_ARM, "ARM"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == machine)
            return known[i].name;
    snprintf(text, 24, "machine %u", machine);
    return text;
}

/* ---- its headers --------------------------------------------------------------------------------------------------- */

static int object_identity(struct object *o)
{
    char theirs[24], ours[24];
    const unsigned char *front = o->front;
    size_t n = o->front_bytes;
    if (n == 0)
        return object_refuse(o, "wanted a shared object, found an empty file");
    if (n < SELFMAG || memcmp(front, ELFMAG, SELFMAG) != 0)
        return object_refuse(o, "wanted a shared object (ELF), found %s", other_format(front, n));
    if (n < sizeof o->head)
        return object_refuse(o, "wanted a whole shared object, found one cut off after %zu bytes", n);
    if (front[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return object_refuse(o, "wanted a shared object of %d bits, found one of %s", (int)(8 * sizeof(void *)),
                             front[EI_CLASS] == ELFCLASS32   ? "32"
                             : front[EI_CLASS] == ELFCLASS64 ? "64"
                                                             : "neither 32 nor 64");
    if (front[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
        return object_refuse(o, "wanted a shared object of this machine, found one of another byte order");
    memcpy(&o->head, front, sizeof o->head);
    if (MACHINE != EM_NONE && o->head.e_machine != MACHINE)
        return object_refuse(o, "wanted a shared object for %s, found one for %s: build it on this machine, or for it",
                             machine_name(MACHINE, ours), machine_name(o->head.e_machine, theirs));
    if (front[EI_VERSION] != EV_CURRENT || o->head.e_version != EV_CURRENT)
        return object_refuse(o, "wanted a shared object of ELF version %d, found version %u", EV_CURRENT, (unsigned)o->head.e_version);
    return 1;
}

static int object_type(struct object *o)
{
    switch (o->head.e_type) {
    case ET_DYN:
        return 1;
    case ET_REL:
        return object_refuse(o, "wanted a shared object, found an object file that is not linked: link it with -shared");
    case ET_EXEC:
        return object_refuse(o, "wanted a shared object, found a program: link it with -shared");
    case ET_CORE:
        return object_refuse(o, "wanted a shared object, found a core dump");
    default:
        return object_refuse(o, "wanted a shared object, found an ELF file of type %u", (unsigned)o->head.e_type);
    }
}

static int object_cut(struct object *o, const char *what, uint64_t at, uint64_t count)
{
    uint64_t end = count > UINT64_MAX - at ? UINT64_MAX : at + count;
    return object_refuse(o, "wanted a whole file, found one cut off or damaged: %s end at byte %llu, the file has %llu", what,
                         (unsigned long long)end, (unsigned long long)o->bytes);
}

static int object_segments(struct object *o)
{
    int loads = 0, dynamic = 0;
    uint64_t count = o->head.e_phnum;
    if (o->head.e_phentsize != sizeof *o->segment || count == 0 || count > HEADERS_MAX)
        return object_refuse(o, "wanted 1 to %d program headers of %zu bytes, found %llu of %u: the file is damaged", HEADERS_MAX,
                             sizeof *o->segment, (unsigned long long)count, (unsigned)o->head.e_phentsize);
    if (!lies_within(o, o->head.e_phoff, count * sizeof *o->segment))
        return object_cut(o, "its program headers", o->head.e_phoff, count * sizeof *o->segment);
    if (o->head.e_phoff + count * sizeof *o->segment <= o->front_bytes)
        memcpy(o->segment, o->front + o->head.e_phoff, (size_t)count * sizeof *o->segment);
    else if (!object_read(o, o->head.e_phoff, o->segment, (size_t)count * sizeof *o->segment))
        return object_refuse(o, "wanted a file at rest, found one that ends early");
    for (uint64_t i = 0; i < count; i++) {
        const ElfW(Phdr) *p = &o->segment[i];
        if ((p->p_type == PT_LOAD || p->p_type == PT_DYNAMIC) && !lies_within(o, p->p_offset, p->p_filesz))
            return object_cut(o, "its segments", p->p_offset, p->p_filesz);
        if (p->p_type == PT_LOAD && (p->p_memsz < p->p_filesz || p->p_vaddr + p->p_memsz < p->p_vaddr))
            return object_refuse(o, "wanted segments at least as long in memory as in the file, found a shorter one: the file is damaged");
        if (p->p_type == PT_INTERP)
            return object_refuse(o, "wanted a shared object, found a program: link it with -shared");
        loads += p->p_type == PT_LOAD;
        dynamic += p->p_type == PT_DYNAMIC;
    }
    if (loads == 0 || dynamic != 1)
        return object_refuse(o, "wanted segments to load and one table for the linker, found %d and %d: the file is damaged", loads,
                             dynamic);
    return 1;
}

/* Checks that the table of sections, the last part of a file that a linker wrote, lies within the file; else the file is cut off. */
static int object_sections(struct object *o)
{
    uint64_t bytes = (uint64_t)o->head.e_shnum * o->head.e_shentsize;
    if (o->head.e_shoff != 0 && !lies_within(o, o->head.e_shoff, bytes))
        return object_cut(o, "its section headers", o->head.e_shoff, bytes);
    return 1;
}

/* ---- what it exports ----------------------------------------------------------------------------------------------- */

struct exports {
    ElfW(Sym) * symbol;
    char *names;
    uint64_t count, names_bytes;
};

static void *object_load(const struct object *o, uint64_t at, uint64_t bytes)
{
    void *memory = NULL;
    if (bytes == 0 || bytes > TABLE_BYTES_MAX || !lies_within(o, at, bytes) || !(memory = malloc((size_t)bytes)))
        return NULL;
    if (object_read(o, at, memory, (size_t)bytes))
        return memory;
    free(memory);
    return NULL;
}

/* Finds a table of symbols, SHT_DYNSYM of the exported or SHT_SYMTAB of all, and that of their names; 0 where the file has no sections,
 * none of that type, or they are not right. */
static int object_symbols(const struct object *o, unsigned type, struct exports *out)
{
    uint64_t n = o->head.e_shnum, at = 0;
    memset(out, 0, sizeof *out);
    if (o->head.e_shoff == 0 || o->head.e_shentsize != sizeof(ElfW(Shdr)))
        return 0;
    ElfW(Shdr) *section = object_load(o, o->head.e_shoff, n * sizeof *section);
    while (section && at < n && section[at].sh_type != type)
        at++;
    if (section && at < n && section[at].sh_link < n) {
        const ElfW(Shdr) *names = &section[section[at].sh_link];
        out->symbol = object_load(o, section[at].sh_offset, section[at].sh_size);
        out->count = section[at].sh_size / sizeof *out->symbol;
        out->names = object_load(o, names->sh_offset, names->sh_size);
        out->names_bytes = names->sh_size;
    }
    free(section);
    if (out->symbol && out->names)
        return 1;
    free(out->symbol);
    free(out->names);
    return 0;
}

/* Name of the i-th symbol if it is exported; NULL otherwise. */
static const char *object_exported(const struct exports *x, uint64_t i)
{
    const ElfW(Sym) *s = &x->symbol[i];
    unsigned bind = s->st_info >> 4, visibility = s->st_other & 3;
    if (s->st_shndx == SHN_UNDEF || (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE) ||
        (visibility != STV_DEFAULT && visibility != STV_PROTECTED) || s->st_name >= x->names_bytes ||
        !memchr(x->names + s->st_name, '\0', (size_t)(x->names_bytes - s->st_name)))
        return NULL;
    return x->names + s->st_name;
}

static int object_description(struct object *o)
{
    static const char symbol[] = "tess_plugin_";
    struct exports x;
    int found = 0, data = 0;
    if (!object_symbols(o, SHT_DYNSYM, &x))
        return 1; /* without sections: the loader finds out */
    for (uint64_t i = 0; i < x.count; i++) {
        const char *name = object_exported(&x, i), *number = name ? name + strlen(symbol) : "";
        if (!name || strncmp(name, symbol, strlen(symbol)) != 0 || number[0] < '1' || number[0] > '9' || number[1])
            continue;
        if (*number - '0' == TESS_ABI_MAJOR) {
            found = TESS_ABI_MAJOR;
            data = (x.symbol[i].st_info & 15) == STT_OBJECT;
        } else if (!found) {
            found = *number - '0';
        }
    }
    free(x.symbol);
    free(x.names);
    if (found == 0)
        return object_refuse(o, "wanted the symbol tess_plugin_1, found a shared object without it: not a plugin of tessera");
    if (found != TESS_ABI_MAJOR)
        return object_refuse(o, "wanted plugin ABI %d (symbol tess_plugin_1), found ABI %d: build it again with this tessera's headers",
                             TESS_ABI_MAJOR, found);
    return data || object_refuse(o, "wanted tess_plugin_1 to be data, a struct tess_plugin, found a function");
}

/* ---- the door ------------------------------------------------------------------------------------------------------ */

int tessi_plug_object_check(const char *path, int how, char *why, size_t capacity)
{
    struct object o = {.fd = -1, .why = why, .capacity = capacity};
    errno = 0;
    int good = object_open(&o, path) && object_identity(&o) && object_type(&o) && object_segments(&o) && object_sections(&o) &&
               (how != TESSI_EXPORTING || object_description(&o));
    if (o.fd >= 0)
        close(o.fd);
    return good;
}

/* 1 where a symbol is the address sanitizer's mark beside an exported variable: GCC names it __odr_asan.NAME, clang __odr_asan_gen_NAME. */
static int object_sanitizer_mark(const char *name)
{
    static const char mark[] = "__odr_asan";
    return strncmp(name, mark, strlen(mark)) == 0;
}

int tessi_plug_object_exports(const char *path, void (*each)(void *user, const char *name, int once), void *user)
{
    char why[256];
    struct object o = {.fd = -1, .why = why, .capacity = sizeof why};
    struct exports x;
    const char *name;
    int good = object_open(&o, path) && object_identity(&o) && object_segments(&o) && object_symbols(&o, SHT_DYNSYM, &x);
    for (uint64_t i = 0; good && i < x.count; i++)
        if ((name = object_exported(&x, i)) && !object_sanitizer_mark(name))
            each(user, name, x.symbol[i].st_info >> 4 == STB_GLOBAL);
    if (good) {
        free(x.symbol);
        free(x.names);
    }
    if (o.fd >= 0)
        close(o.fd);
    return good;
}

/* Copies the name of the function that has the byte `offset`; 0 where none has. */
static int exports_function(const struct exports *x, uint64_t offset, char *name, size_t capacity)
{
    for (uint64_t i = 0; i < x->count; i++) {
        const ElfW(Sym) *s = &x->symbol[i];
        if ((s->st_info & 15) != STT_FUNC || s->st_shndx == SHN_UNDEF || offset < s->st_value || offset - s->st_value >= s->st_size ||
            s->st_name >= x->names_bytes || !memchr(x->names + s->st_name, '\0', (size_t)(x->names_bytes - s->st_name)))
            continue;
        snprintf(name, capacity, "%s", x->names + s->st_name);
        return 1;
    }
    return 0;
}

int tessi_plug_object_function(const char *path, uint64_t offset, char *name, size_t capacity)
{
    static const unsigned type[] = {SHT_SYMTAB, SHT_DYNSYM}; /* a stripped file has the second alone */
    char why[256];
    struct object o = {.fd = -1, .why = why, .capacity = sizeof why};
    struct exports x;
    int found = 0, good = object_open(&o, path) && object_identity(&o) && object_segments(&o);
    *name = '\0';
    for (size_t i = 0; good && !found && i < sizeof type / sizeof *type; i++) {
        if (!object_symbols(&o, type[i], &x))
            continue;
        found = exports_function(&x, offset, name, capacity);
        free(x.symbol);
        free(x.names);
    }
    if (o.fd >= 0)
        close(o.fd);
    return found;
}
