/* web: the dashboard's files, in the program itself (web/, by web/embed.cmake). */
#ifndef SUMU_SINK_WEB_H
#define SUMU_SINK_WEB_H

#include <stddef.h>

struct http_request;
struct http_reply;

struct web_file {
        const char *name; /* "index.html" */
        const unsigned char *bytes;
        size_t n;
};

extern const struct web_file web_files[]; /* a NULL name ends it */

/* GET / and GET /web/NAME. No script or style stands in the page itself, so the server's own policy
 * (Content-Security-Policy: default-src 'self') holds without exceptions. */
void route_web(void *ctx, const struct http_request *q, struct http_reply *a);

#endif
