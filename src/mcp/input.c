/* What a request carries of answers to earlier questions, and what its client can be asked. Runs in
 * the server; all of it comes from a client. */
#include <string.h>

#include "mcp/internal.h"

static const struct {
    const char *capability, *method;
    unsigned bit;
} abilities[] = {
    {"sampling", "sampling/createMessage", CLIENT_SAMPLING},
    {"elicitation", "elicitation/create", CLIENT_ELICITATION},
    {"roots", "roots/list", CLIENT_ROOTS},
};

unsigned input_abilities(const json_t *capabilities)
{
    unsigned can = 0;
    for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
        if (json_is_object(json_object_get(capabilities, abilities[i].capability)))
            can |= abilities[i].bit;
    return can;
}

/* A method that is in no table needs no ability. */
unsigned input_missing(const json_t *requests, unsigned can)
{
    unsigned missing = 0;
    const char *name;
    json_t *request;
    json_object_foreach((json_t *)(uintptr_t)requests, name, request)
    {
        const char *method = json_plain_string(json_object_get(request, "method"));
        for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
            if (str_eq(method, abilities[i].method))
                missing |= abilities[i].bit & ~can;
    }
    return missing;
}

/* An answer is the result of a request to the client, so it is an object whatever was asked. */
static bool answers_are_whole(const json_t *answers)
{
    const char *name;
    json_t *answer;
    if (!json_is_object(answers))
        return false;
    json_object_foreach((json_t *)(uintptr_t)answers, name, answer)
    {
        if (!json_is_object(answer))
            return false;
    }
    return true;
}

static bool read_state(struct request *rq)
{
    const json_t *sealed = json_object_get(rq->msg->params, "requestState");
    if (!sealed)
        return true;
    const char *text = json_plain_string(sealed);
    rq->input.state = text ? state_open(rq, text) : NULL;
    if (!rq->input.state)
        reply_invalid_params(rq, "Invalid params: requestState is not what this server gave for "
                                 "this request, or is too old; begin again without it");
    return rq->input.state != NULL;
}

bool input_read(struct request *rq)
{
    if (rq->resumed)
        return true;
    if (rq->era == ERA_LEGACY) {
        rq->input = (struct tool_input){.can = rq->client->can};
        return true;
    }
    const json_t *meta = rpc_meta(rq->msg);
    const json_t *answers = json_object_get(rq->msg->params, "inputResponses");
    rq->input = (struct tool_input){
        .can = input_abilities(json_object_get(meta, META_CAPABILITIES)),
        .answers = answers,
    };
    if (answers && !answers_are_whole(answers)) {
        reply_invalid_params(rq, "Invalid params: inputResponses must be an object of objects, one "
                                 "for each of the inputRequests");
        return false;
    }
    return read_state(rq);
}

void input_done(struct request *rq)
{
    if (!rq->resumed)
        free((char *)(uintptr_t)rq->input.state);
    rq->input = (struct tool_input){0};
}

/* Refuse, because the client has not declared what the questions need. */
static void refuse_missing(const struct request *rq, unsigned missing)
{
    auto_buf struct buf data = BUF_INIT(0);
    struct json_out out = json_out_init(&data);
    json_open_object(&out);
    json_key(&out, "requiredCapabilities");
    json_open_object(&out);
    for (size_t i = 0; i < ARRAY_LEN(abilities); i++) {
        if (!(missing & abilities[i].bit))
            continue;
        json_key(&out, abilities[i].capability);
        json_open_object(&out);
        json_close_object(&out);
    }
    json_close_object(&out);
    json_close_object(&out);
    reply_error(rq->client->server, rq->road, EXCHANGE_BAD_REQUEST, rq->msg->id,
                RPC_MISSING_ABILITY,
                "Missing required client capability: the request needs what the client has not "
                "declared in params._meta[\"" META_CAPABILITIES "\"]",
                out.bad ? NULL : &data);
}

void reply_questions(const struct request *rq, const struct tool_questions *q)
{
    struct mcp_server *s = rq->client->server;
    const struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = 32, .max_items = 10000};
    auto_json json_t *requests = json_parse(q->requests, q->requests_len, &limits, NULL);
    auto_free char *sealed = q->state ? state_seal(rq, q->state) : NULL;
    if (!json_is_object(requests) || (q->state && !sealed)) {
        reply_error(s, rq->road, EXCHANGE_ANSWER, rq->msg->id, RPC_INTERNAL_ERROR,
                    "the questions to the client could not be written", NULL);
        return;
    }
    unsigned missing = input_missing(requests, rq->input.can);
    if (missing) {
        refuse_missing(rq, missing);
        return;
    }
    struct json_out out = reply_begin_as(s, rq->era, rq->msg->id, "input_required");
    json_key(&out, "inputRequests");
    json_put_raw(&out, q->requests, q->requests_len);
    if (sealed)
        json_pair_str(&out, "requestState", sealed);
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}
