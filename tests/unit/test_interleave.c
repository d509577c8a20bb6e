/* SPDX-License-Identifier: MIT */
/*
 * test_interleave.c: the whole daemon's loop, with one client, in every order in which things can happen. Its engine
 * decides what comes next: which io ends and how, whether the client sends, reads, cancels or goes, whether time
 * passes, rules change or the service is to stop. Each such decision is tried, depth first, by running everything anew
 * with the same decisions up to the last one that has an alternative. What goes wrong (an io that fails, a client that
 * goes, …) costs from a budget, so that there is an end; within the budget nothing is left out, and a scenario that was
 * cut short fails.
 *
 * At the end of each of these lives: every operation was answered once (at most once if the connection ended), says
 * done exactly if it was done, ran at most once and as whom it had to, and everything is given back, to the last byte.
 */
#include <stdio.h>
#include <string.h>

#include "backends/service.h"
#include "tests/support/steps_kit.h"

#include <sys/mman.h>

#include "backends/pool/io_list.h"
#include "daemon/log.h"

#define DECISIONS_MAX 600u
#define LIVES_MAX 400000u
#define EVENTS_MAX 64u
#define OPS_MAX 3u
#define SENT_MAX 2u
#define FAR_MS 60000u

/* ---- memory: every allocation of the project is counted until it is freed ---------------------------------------- */

static long live_blocks;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len_max);

void *__wrap_malloc(size_t size) {
        live_blocks++;
        return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
        live_blocks++;
        return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
        live_blocks += !memory;
        return __real_realloc(memory, size);
}

void __wrap_free(void *memory) {
        live_blocks -= memory != NULL;
        __real_free(memory);
}

char *__wrap_strndup(const char *text, size_t len_max) {
        size_t len = strnlen(text, len_max);
        char *copy = __wrap_malloc(len + 1);

        memcpy(copy, text, len);
        copy[len] = 0;
        return copy;
}

char *__wrap_strdup(const char *text) {
        return __wrap_strndup(text, strlen(text));
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

/* In memory that outlives the process that fails, to tell how it came there. */
struct decisions {
        uint8_t chosen[DECISIONS_MAX], of[DECISIONS_MAX];
        const char *what[DECISIONS_MAX];
        unsigned n;       /* taken in this life */
        unsigned planned; /* given: as in the life before, but for the last */
        bool failed;      /* this life has not ended well (yet) */
};
static struct decisions *decisions;

static unsigned decide(unsigned of) {
        unsigned i = decisions->n++;

        must(i < DECISIONS_MAX, "more than %u decisions", DECISIONS_MAX);
        if (i >= decisions->planned)
                decisions->chosen[i] = 0;
        else
                must(decisions->of[i] == of, "the same decisions led to something else");
        decisions->of[i] = (uint8_t)of;
        return decisions->chosen[i];
}

/* The next life differs in the last decision that has an alternative. False: all were lived. */
static bool plan_next(void) {
        while (decisions->n > 0) {
                unsigned last = decisions->n - 1;

                if (decisions->chosen[last] + 1u < decisions->of[last]) {
                        decisions->chosen[last]++;
                        decisions->planned = decisions->n;
                        return true;
                }
                decisions->n--;
        }
        return false;
}

static void tell(const char *name, const struct decisions *of) {
        printf("%s:", name);
        for (unsigned i = 0; i < of->n; i++)
                printf("%s %s (%u of %u)", i > 0 ? "," : "", of->what[i] ? of->what[i] : "?", of->chosen[i] + 1u,
                       of->of[i]);
        printf("\n");
}

/* ---- scenarios --------------------------------------------------------------------------------------------------- */

enum disturbance {
        MAY_FAIL = 1 << 0,   /* an io: the engine gives up on it, or the system call fails */
        MAY_CANCEL = 1 << 1, /* the client, any batch that it sent */
        MAY_GO = 1 << 2,     /* the client's end of the connection: its receiving, or its sending */
        MAY_EXPIRE = 1 << 3, /* time passes all deadlines */
        MAY_RELOAD = 1 << 4, /* the same rules, anew */
        MAY_REVOKE = 1 << 5, /* no rules any more */
        MAY_STOP = 1 << 6,   /* TERM */
        MAY_BABBLE = 1 << 7, /* the client sends what is no frame */
        MAY_ALL = 0xff,
};

struct scenario {
        const char *name;
        struct {
                enum fsop_batch_mode mode;
                uint32_t deadline_ms;
                unsigned n;
                struct operation ops[OPS_MAX]; /* each on a path that ends in a letter of its own */
        } sent[SENT_MAX];
        unsigned n_sent;
        bool slow;           /* nothing is done on the loop thread */
        bool waits_for_ever; /* it is answered only when it is cancelled */
        bool copies;         /* a copy job is among it */
        bool own_calls;      /* what the daemon asks of workers for itself comes back in a round of its own */
        bool in_order;       /* what comes back does so in the order in which it was asked for: only disturbances come
                                between */
        unsigned may;        /* MAY_… */
        unsigned budget;     /* so many of them in one life */
        unsigned together;   /* so often several things happen in one round */
};

static const struct scenario *scenario;

static struct {
        struct server *server;
        struct io *accept;
        unsigned next;            /* of the scenario's batches to send */
        bool hello, gone, failed; /* failed: the daemon could not send */
        bool babbled, stopped, reloaded, revoked, expired;
        bool cancelled[SENT_MAX];
        bool promised[SENT_MAX]; /* it was begun: to be answered while the connection lasts */
        bool refused;            /* the daemon said why it closes */
        unsigned answers[SENT_MAX][OPS_MAX], ends[SENT_MAX];
        struct result results[SENT_MAX][OPS_MAX];
        unsigned ran['z' + 1], ran_well['z' + 1];
        bool as_service['z' + 1];
        unsigned spent, together, idle;
} life;

static unsigned letter_of(const struct operation *op) {
        const struct bytes path = op->at.path;

        return path.len > 0 ? path.data[path.len - 1] : 0;
}

static void note_run(const struct sys_op *op, int code) {
        unsigned letter = letter_of(op->op);

        must(letter >= 'a' && letter <= 'z', "an operation that nobody asked for");
        life.ran[letter]++;
        life.ran_well[letter] += code == 0;
        life.as_service[letter] = op->identity->service;
}

/* ---- the engine -------------------------------------------------------------------------------------------------- */

static struct {
        struct engine engine;
        struct io_list pending;
} explorer;

#define ASKED_TO_END 1u /* io.engine_word[0] */

enum event_kind {
        ROUND, /* nothing more for now: the loop goes on */
        COMES_BACK,
        FAILS_UNDONE, /* the engine gives up on it */
        FAILS_BUSY,   /* the system refuses */
        ENDS_EARLY,   /* it was cancelled in time */
        CLIENT_READS,
        CLIENT_SENDS,
        CLIENT_CANCELS,
        CLIENT_GOES,
        SENDING_FAILS,
        CLIENT_BABBLES,
        TIME_PASSES,
        RULES_RELOAD,
        RULES_GO,
        SERVICE_STOPS,
        N_EVENT_KINDS,
};
static const char *const event_names[N_EVENT_KINDS] = {
        "round",       "io ends well", "io given up", "io fails", "io cancelled", "read",   "batch", "cancel",
        "client goes", "send fails",   "babble",      "time",     "reload",       "revoke", "stop"};

struct event {
        enum event_kind kind;
        struct io *io;
        unsigned which;
};
static struct event events[EVENTS_MAX];
static unsigned n_events;

static void can(enum event_kind kind, struct io *io, unsigned which) {
        must(n_events < EVENTS_MAX, "more than %u things can happen", EVENTS_MAX);
        events[n_events++] = (struct event){kind, io, which};
}

static void explorer_submit(struct engine *engine, struct io *io) {
        (void)engine;
        for (struct io *after; io; io = after) {
                after = io->chain;
                io->chain = NULL;
                must(io->engine_state == IO_STATE_IDLE || io->engine_word[1] != (uintptr_t)io, "submitted twice");
                io->engine_state = IO_STATE_ARMED;
                io->engine_word[0] = 0;
                io->engine_word[1] = (uintptr_t)io;
                io_list_append(&explorer.pending, io);
        }
}

static void finish(struct io *io, int64_t result) {
        io_list_remove(&explorer.pending, io);
        io->engine_state = IO_STATE_IDLE;
        io->flags &= ~(unsigned)IO_MORE;
        io->result = result;
        io->os_error = result < 0 ? 5 : 0;
        io->done(io);
}

static int64_t carry_out(struct io *io) {
        if (io->kind == IO_CALL) {
                io->result = 0;
                io->u.call(io);
                return io->result;
        }
        return io->kind == IO_RESOLVE ? io_resolve(io->u.op) : sys_run(io->u.op);
}

static void explorer_cancel(struct engine *engine, struct io *io) {
        (void)engine;
        if (io->engine_state == IO_STATE_ARMED)
                io->engine_word[0] = ASKED_TO_END;
}

static struct io *pending(enum io_kind kind) {
        for (struct io *io = explorer.pending.first; io; io = io->next)
                if (io->kind == kind)
                        return io;
        return NULL;
}

static bool is_explored(const struct io *io) {
        if (io->kind == IO_CALL)
                return io->done == task_io_done || scenario->own_calls;
        return io->kind == IO_RESOLVE || io->kind == IO_RUN;
}

/* What the order of makes no difference to a client: the daemon's own calls, the ends of what it watches. */
static bool finish_own(void) {
        for (struct io *io = explorer.pending.first; io; io = io->next) {
                if (io->kind == IO_CALL && !is_explored(io)) {
                        int64_t result = carry_out(io);

                        finish(io, result);
                        return true;
                }
                if ((io->kind == IO_ACCEPT || io->kind == IO_POLL) && io->engine_word[0] == ASKED_TO_END) {
                        finish(io, -FSOP_ECANCELED);
                        return true;
                }
        }
        return false;
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static void deliver(const void *data, size_t len) {
        struct io *io = pending(IO_RECEIVE);
        uint8_t *copy = __real_malloc(len); /* borrowed only while done runs */

        memcpy(copy, data, len);
        io->flags |= IO_MORE;
        io->result = (int64_t)len;
        io->os_error = 0;
        io->u.receive.data = copy;
        io->u.receive.n_fds = 0;
        io->done(io);
        memset(copy, 0xa5, len);
        __real_free(copy);
}

static void client_says(const struct message *message) {
        struct arena scratch;
        struct buffer buffer = {0};

        arena_init(&scratch, 1u << 20);
        must(codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, &buffer) == 0, "cannot be sent");
        deliver(buffer.data + buffer.start, buffer_len(&buffer));
        buffer_fini(&buffer);
        arena_fini(&scratch);
}

static void client_sends_batch(unsigned which) {
        struct message message = {.kind = MESSAGE_BATCH,
                                  .body.batch = {.id = which + 1,
                                                 .mode = scenario->sent[which].mode,
                                                 .deadline_ms = scenario->sent[which].deadline_ms,
                                                 .ops = (struct operation *)(uintptr_t)scenario->sent[which].ops,
                                                 .n_ops = scenario->sent[which].n}};

        uint64_t before = life.server->totals.batches;

        life.next = which + 1;
        client_says(&message);
        life.promised[which] = life.server->totals.batches > before;
}

static void take_results(const struct message *message) {
        unsigned batch = (unsigned)message->body.results.id - 1;

        must(batch < life.next, "an answer that nobody asked for");
        must(life.ends[batch] == 0, "an answer after the last one");
        life.ends[batch] += message->body.results.last;
        for (uint32_t i = 0; i < message->body.results.n_results; i++) {
                const struct result *result = &message->body.results.results[i];

                must(result->index < scenario->sent[batch].n, "an answer to no operation");
                must(++life.answers[batch][result->index] == 1, "operation %u of batch %u was answered twice",
                     result->index, batch + 1);
                life.results[batch][result->index] = *result;
        }
}

static void client_reads_all(struct io *io) {
        static struct arena arena;
        size_t at = 0;

        arena_init(&arena, 4u << 20);
        while (at < io->u.send.len) {
                struct frame_header header;
                struct message message;
                struct error error;

                must(frame_read_header(io->u.send.data + at, io->u.send.len - at, WIRE_FRAME_BYTES_MAX, &header) == 1,
                     "no frame");
                at += FRAME_HEADER_BYTES;
                must(codec_decode_reply(&arena, (struct bytes){io->u.send.data + at, header.body_bytes}, header.n_fds,
                                        &message, &error) == 0,
                     "an answer that cannot be understood");
                at += header.body_bytes;
                if (message.kind == MESSAGE_RESULTS)
                        take_results(&message);
                life.refused |= message.kind == MESSAGE_FAILURE;
        }
        arena_fini(&arena);
        finish(io, (int64_t)io->u.send.len);
}

/* ---- what can happen --------------------------------------------------------------------------------------------- */

static bool is_satisfied(void) {
        if (life.next < scenario->n_sent)
                return false;
        for (unsigned i = 0; i < scenario->n_sent; i++)
                if (life.ends[i] == 0)
                        return false;
        return true;
}

static bool is_connected(void) {
        const struct session *its = life.server->sessions;

        return its && its->state == SESSION_OPEN;
}

static void list_ios(void) {
        for (struct io *io = explorer.pending.first; io; io = io->next) {
                bool asked = io->engine_word[0] == ASKED_TO_END;

                if (is_explored(io))
                        can(COMES_BACK, io, 0);
                if (is_explored(io) && io->done != task_io_done)
                        continue;
                if (asked && io->kind != IO_ACCEPT && io->kind != IO_POLL)
                        can(ENDS_EARLY, io, 0);
        }
}

static void list_disturbances(void) {
        unsigned may = life.spent < scenario->budget && life.hello ? scenario->may : 0;
        bool can_send = pending(IO_RECEIVE) && !life.gone;

        for (struct io *io = explorer.pending.first; io && (may & MAY_FAIL); io = io->next)
                if (io->done == task_io_done) {
                        can(FAILS_UNDONE, io, 0);
                        if (io->kind != IO_CALL)
                                can(FAILS_BUSY, io, 0);
                }
        for (unsigned i = 0; i < life.next && can_send; i++)
                if ((may & MAY_CANCEL) && !life.cancelled[i] && life.ends[i] == 0)
                        can(CLIENT_CANCELS, NULL, i);
        if ((may & MAY_GO) && can_send)
                can(CLIENT_GOES, NULL, 0);
        if ((may & MAY_GO) && pending(IO_SEND))
                can(SENDING_FAILS, pending(IO_SEND), 0);
        if ((may & MAY_BABBLE) && can_send && !life.babbled)
                can(CLIENT_BABBLES, NULL, 0);
        if ((may & MAY_EXPIRE) && !life.expired && !life.stopped) /* stopping for long, it goes without what hangs */
                can(TIME_PASSES, NULL, 0);
        if ((may & MAY_RELOAD) && !life.reloaded)
                can(RULES_RELOAD, NULL, 0);
        if ((may & MAY_REVOKE) && !life.revoked)
                can(RULES_GO, NULL, 0);
        if ((may & MAY_STOP) && !life.stopped)
                can(SERVICE_STOPS, NULL, 0);
}

static void list_events(void) {
        n_events = 0;
        list_ios();
        if (pending(IO_SEND) && !life.gone)
                can(CLIENT_READS, pending(IO_SEND), 0);
        if (life.hello && life.next < scenario->n_sent && is_connected() && pending(IO_RECEIVE) && !life.gone &&
            !life.babbled)
                can(CLIENT_SENDS, NULL, life.next);
        if (scenario->in_order && n_events > 1)
                n_events = 1;
        list_disturbances();
}

static void happen(const struct event *event) {
        static const uint8_t babble[] = {5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = event->which + 1};
        int64_t result;

        life.spent += event->kind > CLIENT_SENDS || event->kind == FAILS_UNDONE || event->kind == FAILS_BUSY;
        switch (event->kind) {
        case COMES_BACK:
                result = carry_out(event->io);
                finish(event->io, result);
                break;
        case FAILS_UNDONE:
                finish(event->io, -FSOP_ENOMEM);
                break;
        case FAILS_BUSY:
                sys.fail_at = sys.calls + 1;
                sys.code = -FSOP_EIO;
                result = carry_out(event->io);
                sys.fail_at = 0;
                finish(event->io, result);
                break;
        case ENDS_EARLY:
                finish(event->io, -FSOP_ECANCELED);
                break;
        case CLIENT_READS:
                client_reads_all(event->io);
                break;
        case CLIENT_SENDS:
                client_sends_batch(event->which);
                break;
        case CLIENT_CANCELS:
                life.cancelled[event->which] = true;
                client_says(&cancel);
                break;
        case CLIENT_GOES:
                life.gone = true;
                finish(pending(IO_RECEIVE), 0);
                break;
        case SENDING_FAILS:
                life.failed = true;
                finish(event->io, -FSOP_EPIPE);
                break;
        case CLIENT_BABBLES:
                life.babbled = true;
                deliver(babble, sizeof(babble));
                break;
        case TIME_PASSES:
                life.expired = true;
                fake_now_ms += FAR_MS;
                break;
        case RULES_GO:
                life.revoked = true;
                fake_n_files = 0;
                kit_requests |= SERVICE_RELOAD;
                break;
        case RULES_RELOAD:
                life.reloaded = true;
                kit_requests |= SERVICE_RELOAD;
                break;
        case SERVICE_STOPS:
                life.stopped = true;
                kit_requests |= SERVICE_TERMINATE;
                break;
        default:
                break;
        }
}

/* Between rounds: what is not in use is not charged. */
static void check_charges(void) {
        const struct session *its = life.server->sessions;
        const struct account *account = its ? its->account : NULL;

        if (!its || its->n_tasks > 0)
                return;
        must(its->bytes_in_flight == its->out_bytes, "the connection is charged for nothing");
        must(account->bytes == its->out_bytes, "its user is charged for nothing");
        must(account->tasks == 0, "its user has tasks that are over");
}

/* Nothing is under way. Either the client has all it wanted, and the service is told to stop; or time passes. */
static int nothing_to_do(int timeout_ms) {
        if (!life.stopped && (is_satisfied() || !life.server->sessions)) {
                life.stopped = true;
                kit_requests |= SERVICE_TERMINATE;
                return 0;
        }
        if (scenario->waits_for_ever && is_connected() && pending(IO_RECEIVE) && !life.cancelled[0]) {
                struct event cancel = {CLIENT_CANCELS, NULL, 0};

                happen(&cancel);
                return 1;
        }
        must(timeout_ms >= 0 && ++life.idle < 50, "nothing happens any more, and somebody waits");
        fake_now_ms += (unsigned)timeout_ms;
        return 0;
}

static int explorer_wait(struct engine *engine, int timeout_ms) {
        struct message hello = {.kind = MESSAGE_HELLO, .body.hello = {.version_min = 1, .version_max = 1}};
        int n = 0;

        (void)engine;
        while (finish_own())
                n++;
        if (!life.server) {
                life.accept = pending(IO_ACCEPT);
                life.server = life.accept->owner;
                life.accept->flags |= IO_MORE;
                life.accept->result = fake_fd_open(NULL);
                life.accept->done(life.accept);
                client_says(&hello);
                return 1;
        }
        check_charges();
        if (!life.hello) { /* the Welcome is read */
                life.hello = true;
                client_reads_all(pending(IO_SEND));
                return 1;
        }
        for (bool first = true;; first = false) {
                struct event event = {ROUND, NULL, 0};
                unsigned i;

                list_events();
                if (n_events == 0)
                        return n > 0 ? n : nothing_to_do(timeout_ms);
                if (!first && life.together >= scenario->together)
                        return n;
                i = decide(n_events + !first);
                if (first || i > 0)
                        event = events[i - !first];
                decisions->what[decisions->n - 1] = event_names[event.kind];
                if (event.kind == ROUND)
                        return n;
                life.together += !first;
                happen(&event);
                n++;
        }
}

static void explorer_wake(struct engine *engine) {
        (void)engine;
}

static void explorer_stats(struct engine *engine, struct engine_stats *ret_stats) {
        (void)engine;
        *ret_stats = (struct engine_stats){0};
}

static void explorer_close(struct engine *engine) {
        (void)engine;
        must(explorer.pending.first == NULL, "an io never came back (kind %d)", (int)explorer.pending.first->kind);
}

static const struct engine_ops explorer_ops = {
        .name = "fake",
        .submit = explorer_submit,
        .wait = explorer_wait,
        .cancel = explorer_cancel,
        .wake = explorer_wake,
        .stats = explorer_stats,
        .close = explorer_close,
};

/* ---- one life after the other ------------------------------------------------------------------------------------ */

/* Whether the system is to do it: services are answered by the daemon itself. */
static bool is_deed(const struct operation *op) {
        return op->verb > FSOP_VERB_POLICY_RELOAD && op->verb < FSOP_VERB_CP;
}

static bool has_rule(const struct operation *op) {
        return op->at.path.len > 10 && memcmp(op->at.path.data, "/srv/build", 10) == 0 && op->as != FSOP_AS_CALLER;
}

static void check_operation(unsigned batch, unsigned i) {
        const struct operation *op = &scenario->sent[batch].ops[i];
        const struct result *result = &life.results[batch][i];
        unsigned letter = letter_of(op);

        must(life.ran[letter] <= 1, "operation %c ran %u times", letter, life.ran[letter]);
        if (life.ran[letter] > 0 && !life.revoked)
                must(life.as_service[letter] == has_rule(op), "operation %c ran as somebody else", letter);
        if (life.answers[batch][i] == 0)
                return;
        if (life.spent == 0 && !scenario->waits_for_ever)
                must(result->error.code == 0, "operation %u of batch %u: failed for no reason: %d", i, batch + 1,
                     result->error.code);
        if (is_deed(op) || op->verb == FSOP_VERB_OPEN_FD)
                must((result->error.code == 0) == (life.ran_well[letter] == 1), "operation %c: says %d, and was%s done",
                     letter, result->error.code, life.ran_well[letter] ? "" : " not");
        if (op->verb == FSOP_VERB_OPEN && result->error.code == 0) /* what was opened may find no room */
                must(life.ran_well[letter] == 1, "operation %c: says it was opened, and was not", letter);
        if (life.ran[letter] > 0)
                must(result->elevated == life.as_service[letter], "operation %c: says wrongly as whom", letter);
}

/* Each intent has its outcome, and what has changed something has an intent. */
static void check_audit(void) {
        unsigned n_intents[2] = {0}, n_outcomes[2] = {0}, n_changes = 0; /* of what changes something, of what reads */

        for (const char *line = fake_written, *end; (end = strchr(line, '\n')); line = end + 1) {
                char text[1024];
                bool reads, outcome;

                snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
                reads = strstr(text, "\"op\":\"ls\"") || strstr(text, "\"op\":\"stat\"");
                n_intents[reads] += strstr(text, "\"event\":\"intent\"") != NULL;
                outcome = strstr(text, "\"event\":\"outcome\"") != NULL;
                n_outcomes[reads] += outcome;
                n_changes += outcome && !reads && !strstr(text, "\"error\"");
        }
        must(n_changes <= n_intents[0] && n_intents[0] <= n_outcomes[0] && n_intents[1] <= n_outcomes[1],
             "an intent without an outcome, or the reverse:\n%s", fake_written);
}

static void check_life(void) {
        bool ended = life.gone || life.failed || life.babbled || life.refused;

        for (unsigned batch = 0; batch < life.next; batch++) {
                if (life.promised[batch] && !ended)
                        must(life.ends[batch] == 1, "batch %u was not answered", batch + 1);
                for (unsigned i = 0; i < scenario->sent[batch].n; i++) {
                        if (life.ends[batch] == 1)
                                must(life.answers[batch][i] == 1, "operation %u of batch %u was not answered", i,
                                     batch + 1);
                        check_operation(batch, i);
                }
        }
        check_audit();
        must(sys.pinned == 0, "%d operations are still pinned", sys.pinned);
        must(sys.identities == 0, "%d identities are still held", sys.identities);
        must(fake_fds_open == 0, "%d descriptors are still open", fake_fds_open);
        must(fake_open_directories == 0, "%d directories are still open", fake_open_directories);
        must(fake_appends_open == 0, "the audit log is still open");
        must(copies.trees == 0 && copies.dirs == 0 && copies.parts == 0, "a copy is still open");
        must(graveyard_pending() == 0, "the graveyard is not empty");
}

static void live(void) {
        long blocks = live_blocks;

        fake_reset();
        fake_written[0] = 0;
        if (scenario->copies || !fake_fs) /* it takes longer than all the rest */
                fake_copy_reset();
        if (scenario->copies)
                fake_make("/srv/build/a", FSOP_TYPE_REGULAR, 10);
        memset(&sys, 0, sizeof(sys));
        memset(&life, 0, sizeof(life));
        memset(&explorer, 0, sizeof(explorer));
        explorer.engine.ops = &explorer_ops;
        kit_engine = &explorer.engine;
        kit_requests = 0;
        decisions->n = 0;
        sys.uid = CALLER_UID;
        sys.slow = scenario->slow;
        sys.ran = note_run;
        fake_file_add("/etc/fsopd/policy.d/a.yaml", rules);
        fake_directory_add("/srv", 0);
        fake_directory_add("/srv/build", 0);
        fake_directory_add("/srv/service", 0);
        fake_directory_add("/srv/watched", 0);
        must(server_main(config, false) == 0, "the daemon failed");
        check_life();
        must(live_blocks == blocks, "%ld allocations were not freed", live_blocks - blocks);
}

static void explore(const struct scenario *which) {
        unsigned lives = 0;

        scenario = which;
        do {
                must(++lives < LIVES_MAX, "%s: there is no end to it", scenario->name);
                decisions->failed = true;
                live();
                decisions->failed = false;
        } while (plan_next());
        printf("%s: %u lives\n", scenario->name, lives);
        fflush(stdout);
        ck_assert_uint_gt(lives, 1);
}

#define PATH(text)                                                                                                     \
        {                                                                                                              \
                .kind = LOCATION_PATH, .path = {(const uint8_t *)(text), sizeof(text) - 1 }                            \
        }
#define STAT(path)                                                                                                     \
        { .verb = FSOP_VERB_STAT, .at = PATH(path) }
#define CHOWN(path)                                                                                                    \
        {                                                                                                              \
                .verb = FSOP_VERB_CHOWN, .at = PATH(path), .args.chown = {.has_uid = true, .uid = 1000 }               \
        }
#define MKDIR(path)                                                                                                    \
        {                                                                                                              \
                .verb = FSOP_VERB_MKDIR, .at = PATH(path), .args.mkdir = {.create = true, .mode = 0755 }               \
        }
#define OPEN(path)                                                                                                     \
        {                                                                                                              \
                .verb = FSOP_VERB_OPEN, .at = PATH(path), .args.open = {.read = true }                                 \
        }
#define LS(path)                                                                                                       \
        {                                                                                                              \
                .verb = FSOP_VERB_LS, .at = PATH(path), .args.ls = {.entries_max = 10 }                                \
        }
#define COPY(from, to_)                                                                                                \
        {                                                                                                              \
                .verb = FSOP_VERB_COPY_RANGE, .at = PATH(from), .to = PATH(to_), .args.copy_range = {                  \
                        .create = {.create = true}                                                                     \
                }                                                                                                      \
        }

#define CP(from, to_)                                                                                                  \
        {                                                                                                              \
                .verb = FSOP_VERB_CP, .at = PATH(from), .to = PATH(to_), .args.cp = {.clone = FSOP_CLONE_NEVER }       \
        }
#define WATCH(after_)                                                                                                  \
        {                                                                                                              \
                .verb = FSOP_VERB_JOB_WATCH, .args.job = {.id = 1, .after = after_ }                                   \
        }
#define PAUSE                                                                                                          \
        {                                                                                                              \
                .verb = FSOP_VERB_JOB_PAUSE, .args.job = {.id = 1 }                                                    \
        }
#define EXPLAIN(of)                                                                                                    \
        {                                                                                                              \
                .verb = FSOP_VERB_EXPLAIN, .args.explain = {.user = {(const uint8_t *)"builder", 7}, .op = of }        \
        }
#define PING(bytes)                                                                                                    \
        {                                                                                                              \
                .verb = FSOP_VERB_PING, .args.ping = { large, bytes }                                                  \
        }

static const struct operation explained = CHOWN("/srv/build/x");
static const uint8_t large[140000];

static const struct scenario scenarios[] = {
        {"one, elevated, on workers",
         {{FSOP_BATCH_PARALLEL, 5000, 1, {CHOWN("/srv/build/a")}}},
         1,
         .slow = true,
         .may = MAY_ALL,
         .budget = 2,
         .together = 2},
        {"one, as caller, on workers",
         {{FSOP_BATCH_PARALLEL, 5000, 1, {STAT("/etc/a")}}},
         1,
         .slow = true,
         .may = MAY_ALL,
         .budget = 3},
        {"two at once, on workers",
         {{FSOP_BATCH_PARALLEL, 5000, 2, {MKDIR("/srv/build/a"), STAT("/etc/b")}}},
         1,
         .slow = true,
         .may = MAY_ALL,
         .budget = 1,
         .together = 1},
        {"two in order, on workers",
         {{FSOP_BATCH_ORDERED, 5000, 2, {OPEN("/srv/build/a"), STAT("/etc/b")}}},
         1,
         .slow = true,
         .may = MAY_ALL,
         .budget = 2},
        {"three until one fails, on workers",
         {{FSOP_BATCH_ORDERED_STOP, 5000, 3, {STAT("/etc/a"), CHOWN("/srv/build/b"), STAT("/etc/c")}}},
         1,
         .slow = true,
         .may = MAY_ALL,
         .budget = 2},
        {"three at once, quick ones among them",
         {{FSOP_BATCH_PARALLEL, 5000, 3, {CHOWN("/srv/build/a"), LS("/srv/build/b"), OPEN("/etc/c")}}},
         1,
         .may = MAY_ALL,
         .budget = 2,
         .together = 1},
        {"two batches",
         {{FSOP_BATCH_PARALLEL, 0, 1, {COPY("/srv/build/a", "/srv/build/b")}},
          {FSOP_BATCH_ORDERED_STOP, 5000, 1, {LS("/etc/c")}}},
         2,
         .may = MAY_ALL,
         .budget = 2},
        {"what others are asked for",
         {{FSOP_BATCH_ORDERED, 5000, 2, {EXPLAIN(&explained), CHOWN("/srv/build/a")}}},
         1,
         .may = MAY_ALL,
         .budget = 2,
         .together = 1},
        {"answers that nobody reads",
         {{FSOP_BATCH_ORDERED, 5000, 3, {PING(140000), PING(140000), CHOWN("/srv/build/a")}},
          {FSOP_BATCH_PARALLEL, 0, 1, {STAT("/etc/b")}}},
         2,
         .may = MAY_ALL,
         .budget = 2,
         .together = 1},
        {"a copy job",
         {{FSOP_BATCH_PARALLEL, 5000, 1, {CP("/srv/build/a", "/srv/build/b")}}},
         1,
         .copies = true,
         .own_calls = true,
         .in_order = true,
         .may = MAY_ALL & ~MAY_EXPIRE,
         .budget = 2},
        {"a paused job, watched for ever",
         {{FSOP_BATCH_ORDERED, 0, 3, {CP("/srv/build/a", "/srv/build/b"), PAUSE, WATCH(UINT64_C(1) << 60)}}},
         1,
         .copies = true,
         .own_calls = true,
         .in_order = true,
         .waits_for_ever = true,
         .may = MAY_ALL & ~MAY_EXPIRE,
         .budget = 2},
};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static struct decisions *all_decisions;

START_TEST(whatever_happens) {
        decisions = &all_decisions[_i];
        explore(&scenarios[_i]);
}
END_TEST

static void set_up(void) {
        static const char settings[] =
                "socket: /run/fsopd/fsopd.sock\nstate-dir: /var/lib/fsopd\npolicy-dir: /etc/fsopd/policy.d\n"
                "audit: file:/var/log/fsopd/audit\n";
        char *error = NULL;

        (void)start, (void)stop; /* of the kit: here the daemon runs its own loop */
        fake_reset();
        fake_file_add("/etc/fsopd/fsopd.yaml", settings);
        must(config_load("/etc/fsopd/fsopd.yaml", false, &config, &error) == 0, "%s", error);
        log_setup(LOG_LEVEL_CRITICAL, false);
}

static void tear_down(void) {
        config_free(config);
}

int main(void) {
        Suite *suite = suite_create("interleave");
        TCase *tcase = tcase_create("interleave");
        SRunner *runner;
        int failed;

        all_decisions = mmap(NULL, N_SCENARIOS * sizeof(*all_decisions), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (all_decisions == MAP_FAILED)
                return 1;
        tcase_set_timeout(tcase, 1500);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, whatever_happens, 0, N_SCENARIOS);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        for (unsigned i = 0; i < N_SCENARIOS; i++)
                if (all_decisions[i].failed)
                        tell(scenarios[i].name, &all_decisions[i]);
        return failed == 0 ? 0 : 1;
}
