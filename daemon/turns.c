/* SPDX-License-Identifier: MIT */
/*
 * turns.c: one queue of connections for each user, and a ring of the users whose queue is not empty. A user's turn is
 * measured in operations, which are counted, and in time, because operations differ: it ends between two windows of a
 * batch or between two frames, and windows are made as small as what they are expected to take demands.
 */
#include "daemon/turns.h"

#include "daemon/server.h"
#include "daemon/session.h"

#define SHARED_FOR_NS 100000000u
#define WINDOW_OPS_MIN 8u
#define LOOK_OPS 4u /* before so many there is no need to look at the clock */
/* after a long turn, for so many times what it took: looking costs 2 us a turn, and nobody keeps the loop for more than
 * a 20th of the time without being seen */
#define WATCHED_TIMES 20u
#define WATCHED_NS_MAX (UINT64_C(10) * NS_PER_S)
#define DEAR_TERM_NS_MAX (UINT64_C(64) * NS_PER_S)
#define NS_PER_S 1000000000u

/* ---- one turn ---------------------------------------------------------------------------------------------------- */

static uint64_t slice_ns(const struct turns *turns) {
        return turns->began_ns < turns->shared_until_ns ? TURN_NS_SHARED : TURN_NS;
}

static void watch(struct turns *turns, const struct account *account) {
        turns->watched = turns->began_ns < account->watched_until_ns;
        if (!turns->watched)
                return;
        turns->began_cpu_ns = sys_thread_cpu_ns();
        turns->began_waits = sys_thread_waits();
}

/* The first time proves nothing: the processor may have been somebody else's. From now on it is looked at closely. */
static void judge(const struct turns *turns, struct account *account, uint64_t now_ns, uint64_t took_ns) {
        bool was_watched = now_ns < account->watched_until_ns;
        uint64_t watched_ns = took_ns * WATCHED_TIMES < WATCHED_NS_MAX ? took_ns * WATCHED_TIMES : WATCHED_NS_MAX;

        if (account->watched_until_ns < now_ns + watched_ns)
                account->watched_until_ns = now_ns + watched_ns;
        if (!turns->watched ||
            (sys_thread_cpu_ns() - turns->began_cpu_ns < TURN_DEAR_NS && sys_thread_waits() == turns->began_waits))
                return;
        account->dear_term_ns = !was_watched || account->dear_term_ns == 0     ? NS_PER_S
                                : account->dear_term_ns * 2 < DEAR_TERM_NS_MAX ? account->dear_term_ns * 2
                                                                               : DEAR_TERM_NS_MAX;
        account->dear_until_ns = now_ns + account->dear_term_ns;
        account->watched_until_ns = account->dear_until_ns + WATCHED_NS_MAX;
}

bool turn_begin(struct session *session) {
        struct turns *turns = &session->server->turns;
        struct account *account = session->account;

        if (!account || turns->running)
                return false;
        turns->running = account;
        turns->began_ns = sys_monotonic_ns();
        turns->ops = 0;
        if (turns->latest != account) {
                turns->shared_until_ns = turns->latest ? turns->began_ns + SHARED_FOR_NS : 0;
                turns->latest = account;
        }
        if (account->round != turns->round + 1) {
                account->round = turns->round + 1;
                account->ops_left = TURN_OPS;
                account->ns_left = (int64_t)slice_ns(turns);
        }
        watch(turns, account);
        return true;
}

void turn_end(struct session *session, bool began) {
        struct turns *turns;
        uint64_t now_ns, took_ns;

        if (!began) /* then the session may be gone */
                return;
        turns = &session->server->turns;
        now_ns = sys_monotonic_ns();
        took_ns = now_ns - turns->began_ns;
        if (took_ns > TURN_DEAR_NS)
                judge(turns, session->account, now_ns, took_ns);
        session->account->ns_left -= (int64_t)took_ns;
        if (turns->ops >= WINDOW_OPS_MIN) { /* a moving average, so that one odd window does not count for much */
                uint32_t op_ns = (uint32_t)(took_ns / turns->ops);

                session->op_ns = session->op_ns > 0 ? (session->op_ns * 3 + op_ns) / 4 : op_ns;
        }
        turns->running = NULL;
}

bool turn_is_dear(const struct session *session) {
        const struct turns *turns = &session->server->turns;
        const struct account *account = session->account;
        uint64_t now_ns;

        if (!account)
                return false;
        now_ns = sys_monotonic_ns();
        return now_ns < account->dear_until_ns ||
               (account == turns->running && now_ns - turns->began_ns > TURN_DEAR_NS);
}

/* Written more lines of the audit than a second of its rate is good for. */
static bool is_slowed(const struct account *account, uint64_t now_ns) {
        return account->audit_paid_ns > now_ns + NS_PER_S;
}

static bool over(const struct turns *turns, const struct account *account) {
        uint64_t now_ns;

        if (account->audit_paid_ns > 0 && is_slowed(account, sys_monotonic_ns()))
                return true;
        if (account->round != turns->round + 1) /* it has had none yet */
                return false;
        if (account->ops_left == 0 || TURN_OPS - account->ops_left < LOOK_OPS)
                return account->ops_left == 0;
        now_ns = turns->running == account ? sys_monotonic_ns() : turns->began_ns;
        return account->ns_left <= (int64_t)(now_ns - turns->began_ns);
}

bool turn_is_over(struct session *session) {
        struct turns *turns = &session->server->turns;

        if (!session->account || (!over(turns, session->account) && (turns->from_queue || !turns_others_wait(session))))
                return false;
        session->yielded = true;
        return true;
}

uint32_t turn_window(const struct session *session) {
        const struct turns *turns = &session->server->turns;
        const struct account *account = session->account;
        int64_t left_ns, n;

        if (!account || session->op_ns == 0 || account != turns->running)
                return TASK_WINDOW_OPS;
        left_ns = account->ns_left - (turns->ops > 0 ? (int64_t)(sys_monotonic_ns() - turns->began_ns) : 0);
        n = left_ns / session->op_ns;
        if (n < WINDOW_OPS_MIN)
                return WINDOW_OPS_MIN;
        return n < TASK_WINDOW_OPS ? (uint32_t)n : TASK_WINDOW_OPS;
}

void turn_charge_ops(struct session *session, uint32_t n) {
        struct account *account = session->account;

        session->server->turns.ops += n;
        if (account)
                account->ops_left -= n < account->ops_left ? n : account->ops_left;
}

void turn_charge_audit(struct session *session, uint32_t lines) {
        struct account *account = session->account;
        uint64_t now_ns;

        if (!account || lines == 0)
                return;
        account->audit_lines += lines;
        now_ns = session->server->turns.began_ns;
        if (account->audit_paid_ns < now_ns)
                account->audit_paid_ns = now_ns;
        account->audit_paid_ns += (uint64_t)lines * NS_PER_S / session->server->config->limits.audit_lines_per_uid;
}

uint64_t turns_audit_lines(const struct server *server, const struct account *account) {
        uint64_t now_ns = sys_monotonic_ns();

        if (account->audit_paid_ns <= now_ns)
                return 0;
        return (account->audit_paid_ns - now_ns) / 1000u * server->config->limits.audit_lines_per_uid /
               (NS_PER_S / 1000u);
}

/* ---- queues ------------------------------------------------------------------------------------------------------ */

static void ring_add(struct turns *turns, struct account *account) {
        if (account->in_ring)
                return;
        account->in_ring = true;
        account->ring_prev = turns->last;
        account->ring_next = NULL;
        *(turns->last ? &turns->last->ring_next : &turns->first) = account;
        turns->last = account;
}

static void ring_remove(struct turns *turns, struct account *account) {
        if (!account->in_ring)
                return;
        account->in_ring = false;
        *(account->ring_prev ? &account->ring_prev->ring_next : &turns->first) = account->ring_next;
        *(account->ring_next ? &account->ring_next->ring_prev : &turns->last) = account->ring_prev;
}

static void append(struct turn_queue *queue, struct session *session) {
        session->turn_queue = queue;
        session->turn_prev = queue->last;
        session->turn_next = NULL;
        *(queue->last ? &queue->last->turn_next : &queue->first) = session;
        queue->last = session;
}

static void take_out(struct session *session) {
        struct turn_queue *queue = session->turn_queue;

        if (!queue)
                return;
        *(session->turn_prev ? &session->turn_prev->turn_next : &queue->first) = session->turn_next;
        *(session->turn_next ? &session->turn_next->turn_prev : &queue->last) = session->turn_prev;
        session->turn_queue = NULL;
}

void turns_queue(struct session *session) {
        struct account *account = session->account;

        if (session->turn_queue == &account->ready)
                return;
        take_out(session);
        append(&account->ready, session);
        ring_add(&session->server->turns, account);
}

void turns_queue_for_room(struct session *session) {
        if (!session->turn_queue)
                append(&session->account->for_room, session);
}

void turns_room(struct session *session) {
        struct account *account = session->account;

        if (account->for_room.first && session_has_room(session))
                ring_add(&session->server->turns, account);
}

void turns_forget(struct session *session) {
        take_out(session);
        if (!session->account->ready.first && !session->account->for_room.first)
                ring_remove(&session->server->turns, session->account);
}

bool turns_others_wait(const struct session *session) {
        return session->account->ready.first != NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* Who may go on next: those that wait for room only while there is some. */
static struct session *next_of(const struct account *account) {
        if (account->ready.first)
                return account->ready.first;
        return account->for_room.first && session_has_room(account->for_room.first) ? account->for_room.first : NULL;
}

/* Sessions are not freed meanwhile, nor is their account: that is for the rest of the round. */
void turns_run(struct server *server) {
        struct turns *turns = &server->turns;
        struct account *end = turns->last, *account = turns->first, *next;
        struct session *session;

        turns->from_queue = true;
        for (; account; account = next) {
                next = account == end ? NULL : account->ring_next;
                ring_remove(turns, account);
                while ((session = next_of(account)) && !over(turns, account)) {
                        take_out(session);
                        session_take_turn(session);
                }
                if (session)
                        ring_add(turns, account);
        }
        turns->from_queue = false;
}

int turns_wait_ms(const struct server *server) {
        uint64_t now_ns = server->turns.first ? sys_monotonic_ns() : 0, least_ns = UINT64_MAX;

        for (const struct account *account = server->turns.first; account; account = account->ring_next) {
                if (!is_slowed(account, now_ns))
                        return 0;
                if (account->audit_paid_ns - NS_PER_S - now_ns < least_ns)
                        least_ns = account->audit_paid_ns - NS_PER_S - now_ns;
        }
        return least_ns == UINT64_MAX ? -1 : (int)(least_ns / 1000000u) + 1;
}
