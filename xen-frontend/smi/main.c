/* SPDX-License-Identifier: MIT */
/*
 * Options, and what is done again and again. The exit status is the nvmlReturn_t of what went wrong, as
 * nvidia-smi's is.
 */
#include "xen-frontend/smi/smi.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum action {
	TABLE,
	LIST,
	FULL,
	QUERY_GPU,
	QUERY_APPS,
	HELP_GPU,
	HELP_APPS,
	HELP,
	VERSION
};

struct options {
	enum action action;
	const char *fields, *devices, *sections, *file;
	bool format; /* --format was given */
	struct smi_csv csv;
	unsigned long loop_ms; /* 0: once */
};

static const char help[] =
	"usage: vgpu-smi [OPTIONS]\n"
	"Shows the GPUs of this guest, what of them is in use and by whom: what nvidia-smi shows, under the\n"
	"same names of options and fields. It changes nothing.\n"
	"\n"
	"  -L, --list-gpus            name and UUID of each GPU\n"
	"  -q, --query                everything, in sections\n"
	"  -d, --display=SECTION,...  with -q: MEMORY, UTILIZATION, ECC, TEMPERATURE, POWER, CLOCK, COMPUTE,\n"
	"                             PIDS, PERFORMANCE, ROW_REMAPPER only\n"
	"      --query-gpu=FIELD,...  those fields of each GPU; needs --format\n"
	"      --query-compute-apps=FIELD,...\n"
	"                             those fields of each process of this guest on a GPU; needs --format\n"
	"      --format=csv[,noheader][,nounits]\n"
	"      --help-query-gpu, --help-query-compute-apps\n"
	"                             which fields there are\n"
	"  -i, --id=GPU,...           only these: index, UUID, serial number or PCI address\n"
	"  -l, --loop[=SECONDS]       again every so many seconds (5)\n"
	"  -lms, --loop-ms=MS         again every so many milliseconds\n"
	"  -f, --filename=FILE        into a file instead of standard output\n"
	"  -h, --help\n"
	"      --version\n";

enum {
	OPT_QUERY_GPU = 256,
	OPT_QUERY_APPS,
	OPT_HELP_GPU,
	OPT_HELP_APPS,
	OPT_FORMAT,
	OPT_LOOP_MS,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"list-gpus", no_argument, NULL, 'L'},
	{"query", no_argument, NULL, 'q'},
	{"display", required_argument, NULL, 'd'},
	{"query-gpu", required_argument, NULL, OPT_QUERY_GPU},
	{"query-compute-apps", required_argument, NULL, OPT_QUERY_APPS},
	{"help-query-gpu", no_argument, NULL, OPT_HELP_GPU},
	{"help-query-compute-apps", no_argument, NULL, OPT_HELP_APPS},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"id", required_argument, NULL, 'i'},
	{"loop", optional_argument, NULL, 'l'},
	{"loop-ms", required_argument, NULL, OPT_LOOP_MS},
	{"filename", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static nvmlReturn_t complain(const char *what, const char *value)
{
	printf("%s%s\nPlease run 'vgpu-smi -h' for help.\n", what, value);
	return NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t parse_format(const char *text, struct options *options)
{
	char *copy = strdup(text), *rest = copy, *word;
	nvmlReturn_t result = NVML_SUCCESS;

	options->csv = (struct smi_csv){.header = true, .units = true};
	while (copy && !result && (word = strsep(&rest, ","))) {
		if (!strcmp(word, "csv"))
			options->format = true;
		else if (!strcmp(word, "noheader"))
			options->csv.header = false;
		else if (!strcmp(word, "nounits"))
			options->csv.units = false;
		else
			result = complain("Invalid format: ", word);
	}
	free(copy);
	return result;
}

static nvmlReturn_t parse_loop(const char *text, unsigned long unit, struct options *options)
{
	char *end;
	unsigned long count;

	errno = 0;
	count = text ? strtoul(text, &end, 10) : 5;
	if (text && (end == text || *end || errno || !count || count > UINT_MAX / unit))
		return complain("Invalid interval: ", text);
	options->loop_ms = count * unit;
	return NVML_SUCCESS;
}

static nvmlReturn_t parse_option(int option, struct options *options)
{
	switch (option) {
	case 'L': options->action = LIST; break;
	case 'q': options->action = FULL; break;
	case 'd': options->sections = optarg; break;
	case OPT_QUERY_GPU:
		options->action = QUERY_GPU;
		options->fields = optarg;
		break;
	case OPT_QUERY_APPS:
		options->action = QUERY_APPS;
		options->fields = optarg;
		break;
	case OPT_HELP_GPU: options->action = HELP_GPU; break;
	case OPT_HELP_APPS: options->action = HELP_APPS; break;
	case OPT_FORMAT: return parse_format(optarg, options);
	case 'i': options->devices = optarg; break;
	case 'l': return parse_loop(optarg, 1000, options);
	case OPT_LOOP_MS: return parse_loop(optarg, 1, options);
	case 'f': options->file = optarg; break;
	case 'h': options->action = HELP; break;
	case OPT_VERSION: options->action = VERSION; break;
	default: return complain("", "");
	}
	return NVML_SUCCESS;
}

/* --- nvidia-smi's habits that getopt does not know ----------------------------------------------------- */

/* What would change the GPU. */
static const char *const refused[] = {
	"-pm",
	"--persistence-mode",
	"-pl",
	"--power-limit",
	"-r",
	"--gpu-reset",
	"-mig",
	"--multi-instance-gpu",
	"-e",
	"--ecc-config",
	"-p",
	"--reset-ecc-errors",
	"-c",
	"--compute-mode",
	"-ac",
	"--applications-clocks",
	"-rac",
	"-lgc",
	"--lock-gpu-clocks",
	"-rgc",
	"-lmc",
	"-rmc",
	"-am",
	"-dm",
	"--driver-model",
	"--gom",
	"-caa",
	"-acp",
	"-gtt",
};

/* The option of the user's that is one of those, or NULL. Its value may follow after `=`. */
static const char *arguments_refused(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++)
			if (strcspn(argv[i], "=") == strlen(refused[k]) &&
			    !strncmp(argv[i], refused[k], strlen(refused[k])))
				return argv[i];
	return NULL;
}

static char *joined(const char *option, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", option, value) < 0 ? NULL : text;
}

static bool is_number(const char *text)
{
	return text && *text && strspn(text, "0123456789") == strlen(text);
}

/* `-lms N`, `-l N` whose number may be missing, and `=` after a letter. The new argv lives as long as the program. */
static char **arguments_adapt(int *argc, char **argv)
{
	static char **adapted;
	int n = 0;

	adapted = calloc((size_t)*argc + 1, sizeof(*adapted));
	for (int i = 0; adapted && i < *argc && argv[i]; i++) {
		char *argument = argv[i];

		if (!strcmp(argument, "-lms") && argv[i + 1])
			argument = joined("--loop-ms", argv[++i]);
		else if (!strncmp(argument, "-lms=", 5))
			argument = joined("--loop-ms", argument + 5);
		else if (!strcmp(argument, "-l") && is_number(argv[i + 1]))
			argument = joined("--loop", argv[++i]);
		else if (!strncmp(argument, "-l=", 3))
			argument = joined("--loop", argument + 3);
		else if (argument[0] == '-' && argument[1] && argument[2] == '=') {
			memmove(argument + 2, argument + 3, strlen(argument + 2));
		}
		if (!argument)
			return NULL;
		adapted[n++] = argument;
	}
	*argc = n;
	return adapted;
}

static nvmlReturn_t options_parse(int argc, char **argv, struct options *options)
{
	nvmlReturn_t result = NVML_SUCCESS;
	int option;

	options->csv = (struct smi_csv){.header = true, .units = true};
	while (!result &&
	       (option = getopt_long(argc, argv, "Lqd:i:l::f:h", long_options, NULL)) != -1)
		result = parse_option(option, options);
	if (!result && optind < argc)
		result = complain("Invalid argument: ", argv[optind]);
	if (!result && (options->action == QUERY_GPU || options->action == QUERY_APPS)) {
		if (!options->format)
			result = complain("--format= must be given, as --format=csv", "");
		else
			result = smi_csv_check(options->fields, options->action == QUERY_APPS);
	}
	if (!result && options->sections)
		result = options->action == FULL ? smi_full_check(options->sections)
						 : complain("-d goes with -q", "");
	return result;
}

/* --- doing it -------------------------------------------------------------------------------------- */

static nvmlReturn_t round_print(FILE *out, const struct options *options,
				const struct smi_devices *devices)
{
	switch (options->action) {
	case LIST: return smi_list_print(out, devices);
	case FULL: smi_full_print(out, devices, options->sections); break;
	case QUERY_GPU: smi_csv_rows(out, options->fields, devices, &options->csv); break;
	case QUERY_APPS: smi_csv_apps(out, options->fields, devices, &options->csv); break;
	default: smi_table_print(out, devices);
	}
	return NVML_SUCCESS;
}

static nvmlReturn_t rounds_print(FILE *out, const struct options *options)
{
	const struct timespec pause = {.tv_sec = (time_t)(options->loop_ms / 1000),
				       .tv_nsec = (long)(options->loop_ms % 1000) * 1000000};
	static struct smi_devices devices;
	nvmlReturn_t result = smi_devices_find(&devices, options->devices);

	if (result)
		return result;
	if (options->action == QUERY_GPU || options->action == QUERY_APPS)
		smi_csv_head(out, options->fields, options->action == QUERY_APPS, &options->csv);
	for (;;) {
		result = round_print(out, options, &devices);
		if (fflush(out) || ferror(out))
			return NVML_ERROR_OPERATING_SYSTEM;
		if (!options->loop_ms || result)
			return result;
		nanosleep(&pause, NULL);
	}
}

static void version_print(void)
{
	char driver[SMI_TEXT_MAX] = "N/A", nvml[SMI_TEXT_MAX] = "N/A";
	int cuda = 0;

	(void)SMI_CALL(nvmlSystemGetDriverVersion, driver, sizeof(driver));
	(void)SMI_CALL(nvmlSystemGetNVMLVersion, nvml, sizeof(nvml));
	(void)SMI_CALL(nvmlSystemGetCudaDriverVersion, &cuda);
	printf("VGPU-SMI version      : %s\nNVML version          : %s\nDRIVER version        : %s\n"
	       "CUDA Version          : %d.%d\n",
	       driver, nvml, driver, cuda / 1000, cuda % 1000 / 10);
}

static nvmlReturn_t ask(const struct options *options)
{
	FILE *out = options->file ? fopen(options->file, "we") : stdout;
	nvmlReturn_t result;

	if (!out) {
		fprintf(stderr, "vgpu-smi: %s: %s\n", options->file, strerror(errno));
		return NVML_ERROR_OPERATING_SYSTEM;
	}
	result = smi_open();
	if (!result) {
		if (options->action == VERSION)
			version_print();
		else
			result = rounds_print(out, options);
		smi_close();
	}
	if (out != stdout && fclose(out))
		return NVML_ERROR_OPERATING_SYSTEM;
	return result;
}

int main(int argc, char **argv)
{
	struct options options = {.action = TABLE};
	nvmlReturn_t result;

	if (arguments_refused(argc, argv)) {
		printf("%s: a guest cannot change the GPU: Insufficient Permissions\n",
		       arguments_refused(argc, argv));
		return NVML_ERROR_NO_PERMISSION;
	}
	argv = arguments_adapt(&argc, argv);
	if (!argv)
		return NVML_ERROR_MEMORY;
	result = options_parse(argc, argv, &options);
	if (result)
		return (int)result;
	switch (options.action) {
	case HELP: fputs(help, stdout); return 0;
	case HELP_GPU: smi_csv_help(stdout, false); return 0;
	case HELP_APPS: smi_csv_help(stdout, true); return 0;
	default: result = ask(&options);
	}
	return result > 255 ? 255 : (int)result;
}
