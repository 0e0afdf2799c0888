/* stream: a word of the operator about an office's stream. */
#include "cli/client.h"

#include <inttypes.h>

int command_stream_skip(struct cli *c)
{
        struct client client;
        struct answer a = {0};
        struct text target = {0};
        int status = client_open(&client, c, PEER_SINK, NULL);
        if (status)
                return status;
        target_begin(&target, "/api/v1/streams/skip");
        target_add(&target, "office", c->operands[0]);
        if (client_post(&client, text_c(&target), "application/json", NULL, NULL, 0, &a) < 0)
                status = client_no_answer(&client);
        else if (a.status != 200)
                status = client_refused(&client, &a, NULL);
        json_t *json = status == 0 ? answer_json(&a) : NULL;
        if (status == 0 && !json_is_integer(json_object_get(json, "to")))
                status = client_strange(&client, &a);
        if (status == 0)
                fprintf(c->out,
                        cli_say(c,
                                "office %s: reports %" PRId64 " to %" PRId64
                                " are given up and recorded as such; HQ goes on behind them\n",
                                "填报单位 %s：第 %" PRId64 " 至 %" PRId64
                                " 份报告已放弃并记录在案，自治区从其后继续\n"),
                        json_text(json, "office"), json_number(json, "from"), json_number(json, "to"));
        json_decref(json);
        text_close(&target);
        answer_close(&a);
        client_close(&client);
        return status;
}
