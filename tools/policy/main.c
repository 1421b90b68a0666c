/* cede-policy: what operators prepare and question policies with. docs/policy.md */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "explain.h"
#include "kvm.h"
#include "names.h"

enum { EXIT_GOOD, EXIT_WRONG, EXIT_USAGE, EXIT_DENIED };

enum action { COMPILE, EXPLAIN, FROM_KVM, TO_KVM, LIST };

struct options {
    enum action action;
    struct processors processors;
    bool chosen; /* --cpu or --vendor was given */
    bool raw;
    const char *output;
    struct question questions[64];
    size_t question_count;
};

static const char help[] =
    "usage: cede-policy [--cpu NAME,...|--vendor intel|amd] FILE     compile names into codes\n"
    "       cede-policy --explain CODE [--explain CODE ...] [FILE]   is it allowed, by which "
    "line?\n"
    "       cede-policy --from-kvm FILE                              a KVM filter as a policy\n"
    "       cede-policy --to-kvm [--raw] --cpu NAME|--vendor V FILE  a policy as a KVM filter\n"
    "       cede-policy --list [--cpu NAME]                          processors, or their events\n"
    "\n"
    "FILE is a policy, or a cede.conf with one in it; - is standard input. docs/policy.md has the\n"
    "language. Names are those of libpfm4 (INST_RETIRED:ANY_P), the same as perf writes them\n"
    "(inst_retired.any_p), and perf's generic ones (instructions).\n"
    "\n"
    "  --cpu NAME,...   processors, by libpfm4's names or their ends (skx, zen4)\n"
    "  --vendor V       all processors of intel or amd\n"
    "  --explain CODE   a raw event as perf's rNNN has it: 0x412e; CODE,VALUE if it needs another\n"
    "                   register, such as MSR_OFFCORE_RSP, with VALUE in it\n"
    "  --raw            KVM's structure instead of QEMU's JSON\n"
    "  --output FILE    instead of standard output; untouched if anything is wrong\n"
    "\n"
    "exit status: 0 done, or allowed; 1 something is wrong with FILE; 2 usage; 3 denied.\n";

static int __attribute__((format(printf, 1, 2))) usage(const char *format, ...)
{
    va_list args;

    fputs("cede-policy: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (--help has more)\n", stderr);
    return EXIT_USAGE;
}

/* A policy and a writer of its result, which is kept until all is known to be good. */
static int write_output(const struct options *options, const char *text, size_t size)
{
    FILE *to = options->output ? fopen(options->output, "w") : stdout;
    bool good = to && fwrite(text, 1, size, to) == size;

    if (to && (to == stdout ? fflush(to) : fclose(to)))
        good = false;
    if (!good)
        fprintf(stderr, "cede-policy: %s: %s\n", options->output ? options->output : "output",
                strerror(errno));
    return good ? EXIT_GOOD : EXIT_WRONG;
}

static int do_compile(const struct options *options, const char *path)
{
    static struct compiled compiled;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    int status = EXIT_WRONG;

    compile_file(&compiled, path, &options->processors);
    compiled_print(&compiled, to);
    fclose(to);
    if (!compiled.errors)
        status = write_output(options, text, size);
    free(text);
    compiled_free(&compiled);
    return status;
}

/* The vendors that are asked about, each with AMD's family: the newest that was chosen. */
static bool asked(const struct processors *processors, enum vendor vendor, unsigned *family)
{
    bool any = false;

    *family = 0;
    for (size_t i = 0; i < processors->count; i++)
        if (processors->list[i].vendor == vendor) {
            any = true;
            *family = MAX(*family, processors->list[i].family);
        }
    return any;
}

static int do_explain(const struct options *options, const char *path)
{
    static struct compiled compiled;
    struct processors names = options->chosen ? options->processors : processors_all();
    bool allowed = true;
    unsigned family;

    if (path)
        compile_file(&compiled, path, &options->processors);
    else
        compile_default(&compiled);
    for (size_t i = 0; i < options->question_count && !compiled.errors; i++)
        for (enum vendor v = 0; v < VENDORS; v++)
            if (asked(&names, v, &family))
                allowed &= explain(&compiled, &names, v, family, &options->questions[i], stdout);
    if (!options->chosen)
        free(names.list);
    compiled_free(&compiled);
    return compiled.errors ? EXIT_WRONG : allowed ? EXIT_GOOD : EXIT_DENIED;
}

/* The hypervisor's parser has the last word: it knows no policy that allows nothing, and its lists
 * end somewhere. */
static bool is_policy(const char *path, const char *text, size_t size)
{
    static struct compiled compiled;
    struct processors none = {NULL, 0};
    char label[320];
    bool good;

    snprintf(label, sizeof(label), "%s, as a policy", path);
    compile_text(&compiled, label, text, size, &none);
    good = !compiled.errors;
    compiled_free(&compiled);
    return good;
}

static int do_from_kvm(const struct options *options, const char *path)
{
    struct kvm_filter filter;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bool good = kvm_read(&filter, path);
    int status = EXIT_WRONG;

    if (good)
        kvm_to_policy(&filter, to);
    fclose(to);
    if (good && is_policy(path, text, size))
        status = write_output(options, text, size);
    free(text);
    kvm_free(&filter);
    return status;
}

static int print_kvm(const struct options *options, const struct kvm_filter *filter)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    int status;

    (options->raw ? kvm_print_raw : kvm_print_json)(filter, to);
    fclose(to);
    status = write_output(options, text, size);
    free(text);
    return status;
}

static int convert_to_kvm(const struct options *options, const struct compiled *compiled,
                          enum vendor vendor, unsigned family)
{
    struct policy_cpu cpu = processor_policy_cpu(vendor, family);
    struct kvm_filter filter;
    size_t entries;
    int status;

    if (!kvm_from_policy(&filter, &compiled->policy, &cpu, &entries)) {
        fprintf(stderr, "%s: KVM takes at most %d entries, this policy needs %zu\n", compiled->path,
                KVM_EVENTS, entries);
        return EXIT_WRONG;
    }
    status = print_kvm(options, &filter);
    kvm_free(&filter);
    return status;
}

static int do_to_kvm(const struct options *options, const char *path)
{
    static struct compiled compiled;
    unsigned family;
    bool intel = asked(&options->processors, VENDOR_INTEL, &family);
    bool amd = asked(&options->processors, VENDOR_AMD, &family);
    int status = EXIT_WRONG;

    if (intel == amd)
        return usage("--to-kvm needs --cpu or --vendor, of one vendor: presets differ");
    compile_file(&compiled, path, &options->processors);
    if (!compiled.errors)
        status = convert_to_kvm(options, &compiled, intel ? VENDOR_INTEL : VENDOR_AMD, family);
    compiled_free(&compiled);
    return status;
}

static void print_event(void *context, const struct processor *processor, const char *name,
                        const struct encoding *e)
{
    (void)context;
    printf("%-24s 0x%09llx  %s", processor->name, (unsigned long long)e->selector, name);
    if (e->has_aux)
        printf("  (0x%llx in its register)", (unsigned long long)e->value);
    if (e->fixed_only)
        printf("  (fixed counter only)");
    putchar('\n');
}

static int do_list(const struct options *options)
{
    struct processors all = processors_all();

    for (size_t i = 0; i < options->processors.count; i++)
        name_each(&options->processors.list[i], print_event, NULL);
    for (size_t i = 0; !options->chosen && i < all.count; i++)
        printf("%-5s %s\n", vendor_names[all.list[i].vendor], all.list[i].name);
    free(all.list);
    return EXIT_GOOD;
}

static bool hexadecimal(const char **text, u64 *out)
{
    char *end;

    errno = 0;
    *out = strtoull(*text, &end, 16);
    if (end == *text || errno)
        return false;
    *text = end;
    return true;
}

/* CODE or CODE,VALUE, as 0x412e or r412e */
static bool add_question(struct options *options, const char *text)
{
    struct question *q = &options->questions[options->question_count++];

    if (options->question_count == COUNT(options->questions))
        return false;
    text += text[0] == 'r';
    if (!hexadecimal(&text, &q->code))
        return false;
    q->has_value = *text == ',';
    text += q->has_value;
    return (!q->has_value || hexadecimal(&text, &q->value)) && !*text;
}

static bool choose_vendor(struct options *options, const char *name)
{
    for (enum vendor v = 0; v < VENDORS; v++)
        if (!strcmp(name, vendor_names[v])) {
            options->processors = processors_of(v);
            return true;
        }
    return false;
}

/* Returns EXIT_GOOD, or the status to leave with. */
static int parse_option(struct options *options, int option)
{
    switch (option) {
    case 'c':
    case 'v':
        if (options->chosen)
            return usage("one --cpu (with commas between names) or --vendor");
        options->chosen = true;
        if (option == 'v')
            return choose_vendor(options, optarg) ? EXIT_GOOD : usage("--vendor is intel or amd");
        return processors_named(optarg, &options->processors) ? EXIT_GOOD : EXIT_USAGE;
    case 'e':
        options->action = EXPLAIN;
        return add_question(options, optarg)
                   ? EXIT_GOOD
                   : usage("--explain %s: a code is a hexadecimal number", optarg);
    case 'r':
        options->raw = true;
        return EXIT_GOOD;
    case 'o':
        options->output = optarg;
        return EXIT_GOOD;
    }
    return EXIT_USAGE;
}

static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"cpu", required_argument, NULL, 'c'},     {"vendor", required_argument, NULL, 'v'},
        {"explain", required_argument, NULL, 'e'}, {"output", required_argument, NULL, 'o'},
        {"raw", no_argument, NULL, 'r'},           {"from-kvm", no_argument, NULL, 'f'},
        {"to-kvm", no_argument, NULL, 't'},        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {0}};
    int option, status = EXIT_GOOD;

    while (!status && (option = getopt_long(argc, argv, "o:h", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(EXIT_GOOD);
        }
        if (strchr("ftl", option))
            options->action = option == 'f' ? FROM_KVM : option == 't' ? TO_KVM : LIST;
        else
            status = parse_option(options, option);
    }
    return status;
}

static int run(const struct options *options, int files, char **file)
{
    bool optional = options->action == EXPLAIN || options->action == LIST;

    if (files > 1 || (!files && !optional) || (files && options->action == LIST))
        return usage("one FILE is needed");
    switch (options->action) {
    case EXPLAIN:
        return do_explain(options, files ? file[0] : NULL);
    case FROM_KVM:
        return do_from_kvm(options, file[0]);
    case TO_KVM:
        return do_to_kvm(options, file[0]);
    case LIST:
        return do_list(options);
    default:
        return do_compile(options, file[0]);
    }
}

int main(int argc, char **argv)
{
    struct options options = {.action = COMPILE};
    int status;

    if (!processors_init()) {
        fputs("cede-policy: libpfm4 does not work here\n", stderr);
        return EXIT_WRONG;
    }
    status = parse_options(&options, argc, argv);
    if (!status)
        status = run(&options, argc - optind, argv + optind);
    free(options.processors.list);
    return status;
}
