/*
 * mod_upload: an upload filter with a fault of your choice.
 *
 * It sits in front of any handler as an input filter for requests that have a body, as a real upload module does, and
 * does one thing wrong. The directive UploadFault says which:
 *
 *   none    nothing
 *   malloc  keeps 4096 bytes of each upload from malloc (4112 with glibc's header)
 *   pool    keeps 4096 bytes of each upload from the process pool (8192 on Debian, whose APR maps whole blocks)
 *   fd      keeps a descriptor of each upload
 *   abort   keeps 4096 bytes from malloc of each upload that the client breaks off
 *   big     keeps 4096 bytes from malloc of each upload above 1 MiB
 *   shm     leaves a file of 4096 bytes in /dev/shm for each upload
 *   churn   grows and frees a buffer of 1 to 6 MiB for each upload: a high-water mark, no leak
 *   warm    keeps the last 512 uploads, 4096 bytes each: a cache that fills, no leak
 *   cow     writes to two pages of a 32 MiB heap that the parent made: copy-on-write, no leak
 *   slow    sleeps 50 ms for each upload: a latency fault, no leak
 *   crash   aborts in every 200th upload of a child
 *
 * All of it is safe under a threaded MPM. The parent removes the files in /dev/shm when it stops, and at its start those
 * of parents that were killed, so that trying the fault out does not fill the machine's memory.
 */

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "apr_strings.h"
#include "util_filter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define KEPT_BYTES 4096
#define BIG_BYTES (1024 * 1024)
#define CACHE_ENTRIES 512
#define HEAP_BYTES ((size_t)32 * 1024 * 1024)
#define PAGE_BYTES 4096
#define PAGES_PER_UPLOAD 2
#define CHURN_LEAST ((size_t)1024 * 1024)
#define CHURN_RANGE ((size_t)5 * 1024 * 1024)
#define CHURN_STEP ((size_t)256 * 1024)
#define SLOW_MICROSECONDS 50000
#define UPLOADS_UNTIL_CRASH 200
#define SHM_DIRECTORY "/dev/shm"
#define SHM_PREFIX "seepage-upload-"

module AP_MODULE_DECLARE_DATA upload_module;

typedef enum { NONE, MALLOC, POOL, FD, ABORT, BIG, SHM, CHURN, WARM, COW, SLOW, CRASH } fault;

static const char *const fault_names[] = {"none",  "malloc", "pool", "fd",  "abort", "big",
                                          "shm",   "churn",  "warm", "cow", "slow",  "crash"};

/* Set while the configuration is read or before the children are forked, and only read afterwards. */
static fault configured = NONE;
static unsigned char *preloaded_heap;
static pid_t parent;
static ap_filter_rec_t *filter_handle;

/* What this process has done. The lock guards the process pool and the cache. */
static atomic_uint uploads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* One upload. */
typedef struct {
    request_rec *r;
    unsigned number; /* within this process, from 0 */
    apr_off_t bytes;
    int begun;
    int complete;
    int was_big;
} upload;

/* ---- the faults ---- */

/* What is kept goes here, so that the compiler can't drop an allocation that nobody reads. */
static void *volatile kept;

static void keep_body(void)
{
    void *body = malloc(KEPT_BYTES);
    if (body) {
        memset(body, 'u', KEPT_BYTES);
    }
    kept = body;
}

static void keep_in_pool(const request_rec *r)
{
    pthread_mutex_lock(&lock);
    kept = memset(apr_palloc(r->server->process->pool, KEPT_BYTES), 'u', KEPT_BYTES);
    pthread_mutex_unlock(&lock);
}

static void keep_descriptor(request_rec *r)
{
    if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, r, "mod_upload: no descriptor left to keep");
    }
}

static void leave_file(const upload *u)
{
    char contents[KEPT_BYTES];
    char path[128];
    int file;
    apr_snprintf(path, sizeof path, SHM_DIRECTORY "/" SHM_PREFIX "%ld-%ld-%u", (long)parent, (long)getpid(), u->number);
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, u->r, "mod_upload: can't write %s", path);
        return;
    }
    memset(contents, 'u', sizeof contents);
    if (write(file, contents, sizeof contents) != (ssize_t)sizeof contents) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, u->r, "mod_upload: can't fill %s", path);
    }
    close(file);
}

static void grow_and_free(const upload *u)
{
    /* Spread evenly over the range by a multiplicative hash, the same in each run. */
    size_t target = CHURN_LEAST + (size_t)((u->number * 2654435761u) % CHURN_RANGE);
    size_t size = 0;
    char *buffer = NULL;
    while (size < target) {
        size_t larger = size + CHURN_STEP < target ? size + CHURN_STEP : target;
        char *grown = realloc(buffer, larger);
        if (!grown) {
            break;
        }
        memset(grown + size, 'u', larger - size);
        buffer = grown;
        size = larger;
    }
    kept = buffer;
    free(buffer);
}

static void cache_body(const upload *u)
{
    static void *cache[CACHE_ENTRIES];
    void **entry = &cache[u->number % CACHE_ENTRIES];
    void *body = malloc(KEPT_BYTES);
    if (body) {
        memset(body, 'u', KEPT_BYTES);
    }
    pthread_mutex_lock(&lock);
    free(*entry);
    *entry = body;
    pthread_mutex_unlock(&lock);
}

static void write_to_heap(const upload *u)
{
    size_t first = (size_t)u->number * PAGES_PER_UPLOAD;
    size_t page;
    for (page = first; page < first + PAGES_PER_UPLOAD; page++) {
        ((volatile unsigned char *)preloaded_heap)[page * PAGE_BYTES % HEAP_BYTES]++;
    }
}

static void begin(const upload *u)
{
    switch (configured) {
    case MALLOC: keep_body(); break;
    case POOL: keep_in_pool(u->r); break;
    case FD: keep_descriptor(u->r); break;
    case SHM: leave_file(u); break;
    case CHURN: grow_and_free(u); break;
    case WARM: cache_body(u); break;
    case COW: write_to_heap(u); break;
    case SLOW: usleep(SLOW_MICROSECONDS); break;
    case CRASH:
        if (u->number % UPLOADS_UNTIL_CRASH == UPLOADS_UNTIL_CRASH - 1) {
            abort();
        }
        break;
    case NONE:
    case ABORT:
    case BIG: break;
    }
}

static void grow(upload *u, apr_off_t bytes)
{
    u->bytes += bytes;
    if (u->bytes > BIG_BYTES && !u->was_big) {
        u->was_big = 1;
        if (configured == BIG) {
            keep_body();
        }
    }
}

/* The end of the request: an upload that began and never got to its end was broken off by the client. */
static apr_status_t end(void *data)
{
    const upload *u = data;
    if (configured == ABORT && u->begun && !u->complete) {
        keep_body();
    }
    return APR_SUCCESS;
}

/* ---- the filter ---- */

static apr_status_t upload_filter(ap_filter_t *f, apr_bucket_brigade *brigade, ap_input_mode_t mode,
                                  apr_read_type_e block, apr_off_t wanted)
{
    upload *u = f->ctx;
    apr_status_t status;
    apr_off_t length = 0;

    if (mode != AP_MODE_READBYTES && mode != AP_MODE_GETLINE) {
        return ap_get_brigade(f->next, brigade, mode, block, wanted);
    }
    if (!u->begun) {
        u->begun = 1;
        u->number = atomic_fetch_add(&uploads, 1);
        begin(u);
    }
    status = ap_get_brigade(f->next, brigade, mode, block, wanted);
    if (status != APR_SUCCESS) {
        return status;
    }
    if (apr_brigade_length(brigade, 0, &length) == APR_SUCCESS && length > 0) {
        grow(u, length);
    }
    if (!APR_BRIGADE_EMPTY(brigade) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade))) {
        u->complete = 1;
    }
    return APR_SUCCESS;
}

static int has_body(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    return (length && strcmp(length, "0") != 0) || apr_table_get(r->headers_in, "Transfer-Encoding");
}

static void insert_filter(request_rec *r)
{
    upload *u;
    if (configured == NONE || !ap_is_initial_req(r) || !has_body(r)) {
        return;
    }
    u = apr_pcalloc(r->pool, sizeof *u);
    u->r = r;
    apr_pool_cleanup_register(r->pool, u, end, apr_pool_cleanup_null);
    ap_add_input_filter_handle(filter_handle, u, r, r->connection);
}

/* ---- start and stop ---- */

/* Removes the files in /dev/shm that this parent's children left, and those of parents that are no more. */
static void remove_files(void)
{
    DIR *directory = opendir(SHM_DIRECTORY);
    struct dirent *entry;
    if (!directory) {
        return;
    }
    while ((entry = readdir(directory))) {
        long owner;
        if (strncmp(entry->d_name, SHM_PREFIX, strlen(SHM_PREFIX)) != 0) {
            continue;
        }
        owner = strtol(entry->d_name + strlen(SHM_PREFIX), NULL, 10);
        if (owner > 0 && (owner == (long)parent || (kill((pid_t)owner, 0) < 0 && errno == ESRCH))) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    closedir(directory);
}

static apr_status_t stop(void *unused)
{
    (void)unused;
    /* A child inherits this cleanup, but not the files. */
    if (getpid() == parent) {
        remove_files();
    }
    return APR_SUCCESS;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the configuration is read twice; the first time is only a check */
    }
    parent = getpid();
    if (configured == SHM) {
        remove_files();
        apr_pool_cleanup_register(pconf, NULL, stop, apr_pool_cleanup_null);
    }
    if (configured == COW && !preloaded_heap) {
        preloaded_heap = malloc(HEAP_BYTES);
        if (!preloaded_heap) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, errno, s, "mod_upload: no memory for the preloaded heap");
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        memset(preloaded_heap, 1, HEAP_BYTES);
    }
    return OK;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    struct rlimit limit;
    (void)pchild;
    (void)s;
    if (configured == FD && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        /* As many descriptors as may be had: the leak is to be seen growing, not as a server that accepts no more. */
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (configured == CRASH) {
        limit.rlim_cur = limit.rlim_max = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

static const char *set_fault(cmd_parms *cmd, void *unused, const char *name)
{
    const size_t count = sizeof fault_names / sizeof fault_names[0];
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *known = "";
    size_t i;
    (void)unused;
    if (error) {
        return error;
    }
    for (i = 0; i < count; i++) {
        if (strcmp(name, fault_names[i]) == 0) {
            configured = (fault)i;
            return NULL;
        }
        known = apr_pstrcat(cmd->pool, known, i ? ", " : "", fault_names[i], NULL);
    }
    return apr_psprintf(cmd->pool, "UploadFault: unknown mode '%s'; known are %s", name, known);
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("UploadFault", set_fault, NULL, RSRC_CONF, "what goes wrong with each upload"),
    {NULL}
};

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    filter_handle = ap_register_input_filter("UPLOAD", upload_filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(upload) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, directives, register_hooks, 0};
