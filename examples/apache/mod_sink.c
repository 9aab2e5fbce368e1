/*
 * mod_sink: a handler that reads and discards what it is sent, and answers with a line.
 *
 * "SetHandler sink" makes an application of it that has an index page and takes uploads of any size. It leaves the class
 * of the request as the note "class" for the access log: index, upload, big-upload (above 1 MiB) or aborted-upload.
 */

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "apr_strings.h"

#include <string.h>

#define BIG_BYTES (1024 * 1024)
#define BLOCK_BYTES 8192

module AP_MODULE_DECLARE_DATA sink_module;

static int sink_handler(request_rec *r)
{
    char block[BLOCK_BYTES];
    apr_off_t bytes = 0;
    long got = 0;
    int status;

    if (!r->handler || strcmp(r->handler, "sink") != 0) {
        return DECLINED;
    }
    status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    if (status != OK) {
        return status;
    }
    if (ap_should_client_block(r)) {
        apr_table_setn(r->notes, "class", "aborted-upload"); /* until its end is seen */
        while ((got = ap_get_client_block(r, block, sizeof block)) > 0) {
            bytes += got;
        }
        if (got < 0) {
            return HTTP_BAD_REQUEST;
        }
        apr_table_setn(r->notes, "class", bytes > BIG_BYTES ? "big-upload" : "upload");
    } else {
        apr_table_setn(r->notes, "class", "index");
    }
    ap_set_content_type(r, "text/plain");
    if (!r->header_only) {
        ap_rprintf(r, "%" APR_OFF_T_FMT " bytes taken\n", bytes);
    }
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(sink_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(sink) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
