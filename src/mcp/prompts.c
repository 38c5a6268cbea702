/* Listing prompts, filling them in, and suggesting values for their arguments. Runs in the server;
 * arguments are whatever a client sends. */
#include "mcp/prompts.h"

#include <string.h>
#include <strings.h>

#include "mcp/internal.h"

#define COMPLETIONS_MAX 100 /* of the protocol */

static void put_prompt(struct json_out *out, const struct mcp_prompt *p)
{
    json_open_object(out);
    json_pair_str(out, "name", p->name);
    if (p->title)
        json_pair_str(out, "title", p->title);
    json_pair_str(out, "description", p->description);
    json_key(out, "arguments");
    json_open_array(out);
    for (size_t i = 0; i < p->arguments_len; i++) {
        json_open_object(out);
        json_pair_str(out, "name", p->arguments[i].name);
        json_pair_str(out, "description", p->arguments[i].description);
        json_pair_bool(out, "required", p->arguments[i].required);
        json_close_object(out);
    }
    json_close_array(out);
    json_close_object(out);
}

int prompts_prepare(struct mcp_server *s, struct err *err)
{
    const struct mcp_features *f = &s->features;
    for (enum era era = ERA_LEGACY; era <= ERA_MODERN; era++) {
        struct json_out out = json_out_init(&s->prompts_list[era]);
        json_key(&out, "prompts");
        json_open_array(&out);
        for (size_t i = 0; i < f->prompts_len; i++)
            put_prompt(&out, f->prompts[i]);
        json_close_array(&out);
        if (era == ERA_MODERN)
            put_caching(&out, LIST_TTL_MS, true);
        if (out.bad)
            return err_nomem(err);
    }
    return 0;
}

void serve_prompts_list(struct request *rq)
{
    if (no_cursor(rq))
        reply_fields(rq, &rq->client->server->prompts_list[rq->era]);
}

static const struct mcp_prompt *find_prompt(const struct mcp_features *f, const char *name)
{
    for (size_t i = 0; i < f->prompts_len; i++)
        if (strcmp(f->prompts[i]->name, name) == 0)
            return f->prompts[i];
    return NULL;
}

static const struct mcp_prompt_argument *find_argument(const struct mcp_prompt *p, const char *name)
{
    for (size_t i = 0; i < p->arguments_len; i++)
        if (strcmp(p->arguments[i].name, name) == 0)
            return &p->arguments[i];
    return NULL;
}

/* ---- prompts/get ---- */

static int check_argument(const struct mcp_prompt *p, const char *name, const json_t *value,
                          struct err *err)
{
    if (!find_argument(p, name))
        return err_set(err, ERR_INVALID, "prompt %s has no argument '%.60s'; see prompts/list",
                       p->name, name);
    if (!json_is_string(value))
        return err_set(err, ERR_INVALID, "argument '%s' must be a string, not %s", name,
                       json_kind(value));
    if (!json_plain_string(value))
        return err_set(err, ERR_INVALID, "argument '%s' must not hold NUL characters", name);
    if (json_string_length(value) > PROMPT_ARGUMENT_MAX)
        return err_set(err, ERR_INVALID, "argument '%s' must not be longer than %d bytes", name,
                       PROMPT_ARGUMENT_MAX);
    return 0;
}

static int check_arguments(const struct mcp_prompt *p, const json_t *args, struct err *err)
{
    const char *name;
    json_t *value;
    if (args && !json_is_object(args))
        return err_set(err, ERR_INVALID, "arguments must be an object, not %s", json_kind(args));
    json_object_foreach((json_t *)(uintptr_t)args, name, value)
    {
        if (check_argument(p, name, value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < p->arguments_len; i++)
        if (p->arguments[i].required && !json_object_get(args, p->arguments[i].name))
            return err_set(err, ERR_INVALID, "argument '%s' is required: %s", p->arguments[i].name,
                           p->arguments[i].description);
    return 0;
}

static void get_prompt(struct request *rq, const struct mcp_prompt *p, const json_t *args)
{
    struct mcp_server *s = rq->client->server;
    struct tool_questions questions = {0};
    const struct mcp_prompt_call call = {
        .args = args, .input = &rq->input, .questions = &questions};
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    json_pair_str(&out, "description", p->description);
    json_key(&out, "messages");
    json_open_array(&out);
    p->write(&call, &out);
    json_close_array(&out);
    if (!questions.requests)
        reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
    else if (rq->era == ERA_MODERN)
        reply_questions(rq, &questions);
    else
        call_ask(rq, &questions);
}

void serve_prompts_get(struct request *rq)
{
    struct err err = ERR_INIT;
    const char *name = string_param(rq, "name", "the name of a prompt");
    if (!name)
        return;
    const struct mcp_prompt *p = find_prompt(&rq->client->server->features, name);
    if (!p) {
        reply_invalid_params(rq, "Unknown prompt: %.100s", name);
        return;
    }
    const json_t *args = json_object_get(rq->msg->params, "arguments");
    args = json_is_null(args) ? NULL : args;
    if (check_arguments(p, args, &err) < 0)
        reply_invalid_params(rq, "Invalid params: %s", err.text);
    else if (input_read(rq))
        get_prompt(rq, p, args);
    input_done(rq);
}

const char *mcp_prompt_argument(const struct mcp_prompt_call *call, const char *name,
                                const char *fallback)
{
    const char *text = json_plain_string(json_object_get(call->args, name));
    return text && text[strspn(text, " \t\r\n")] ? text : fallback;
}

void mcp_prompt_say(struct json_out *messages, const struct buf *text)
{
    json_open_object(messages);
    json_pair_str(messages, "role", "user");
    json_key(messages, "content");
    json_open_object(messages);
    json_pair_str(messages, "type", "text");
    json_key(messages, "text");
    json_put_strn(messages, (const char *)text->data, text->len);
    json_close_object(messages);
    json_close_object(messages);
}

/* ---- completion/complete ---- */

static void reply_completion(const struct request *rq, const char *const *values, const char *typed)
{
    struct mcp_server *s = rq->client->server;
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    size_t total = 0;
    json_key(&out, "completion");
    json_open_object(&out);
    json_key(&out, "values");
    json_open_array(&out);
    for (; values && *values; values++)
        if (strncasecmp(*values, typed, strlen(typed)) == 0 && ++total <= COMPLETIONS_MAX)
            json_put_str(&out, *values);
    json_close_array(&out);
    json_pair_uint(&out, "total", total);
    json_pair_bool(&out, "hasMore", total > COMPLETIONS_MAX);
    json_close_object(&out);
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}

/* Which prompt's or template's argument; templates have no suggestions. */
static void complete(struct request *rq, const json_t *ref, const char *argument, const char *typed)
{
    const char *type = json_plain_string(json_object_get(ref, "type"));
    const char *name = json_plain_string(json_object_get(ref, "name"));
    if (str_eq(type, "ref/resource") && json_plain_string(json_object_get(ref, "uri")) &&
        rq->client->server->features.resources_len > 0) {
        reply_completion(rq, NULL, typed);
        return;
    }
    if (!str_eq(type, "ref/prompt") || !name) {
        reply_invalid_params(rq, "Invalid params: ref must be {\"type\": \"ref/prompt\", \"name\": "
                                 "…} or {\"type\": \"ref/resource\", \"uri\": …}");
        return;
    }
    const struct mcp_prompt *p = find_prompt(&rq->client->server->features, name);
    const struct mcp_prompt_argument *a = p ? find_argument(p, argument) : NULL;
    if (!p)
        reply_invalid_params(rq, "Unknown prompt: %.100s", name);
    else if (!a)
        reply_invalid_params(rq, "Invalid params: prompt %s has no argument '%.60s'", p->name,
                             argument);
    else
        reply_completion(rq, a->values, typed);
}

void serve_complete(struct request *rq)
{
    const json_t *argument = json_object_get(rq->msg->params, "argument");
    const char *name = json_plain_string(json_object_get(argument, "name"));
    const char *typed = json_plain_string(json_object_get(argument, "value"));
    if (name && typed)
        complete(rq, json_object_get(rq->msg->params, "ref"), name, typed);
    else
        reply_invalid_params(rq, "Invalid params: argument must be {\"name\": …, \"value\": …}, "
                                 "both strings");
}
