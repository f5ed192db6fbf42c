/* main.c: starts everything in order and ends it on a signal. */
#include "server.h"

#include "base/auto.h"
#include "gen.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    RULES_MAX_BYTES = 16 << 20,
    LAST_CONNS_MS = 200, /* for connections that are just ending */
};

static int gen_main(char **argv)
{
    uint64_t seed = strtoull(argv[2], NULL, 10), at = strtoull(argv[3], NULL, 10), left = strtoull(argv[4], NULL, 10);
    static uint8_t buf[1 << 20];
    for (size_t n; left; at += n, left -= n) {
        n = (size_t)MIN(left, (uint64_t)sizeof(buf));
        gen_fill(seed, at, buf, n);
        if (fwrite(buf, 1, n, stdout) != n)
            return 1;
    }
    return fflush(stdout) ? 1 : 0;
}

static SSL_CTX *load_tls(const struct options *o)
{
    if (!o->cert)
        return NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1)
        die("cannot use %s and %s", o->cert, o->key);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return ctx;
}

static void load_rules(struct server *srv)
{
    if (!srv->opt.rules)
        return;
    char *json = read_whole(srv->opt.rules, RULES_MAX_BYTES), *wrong = NULL;
    if (!json)
        die("cannot read %s", srv->opt.rules);
    if (!rules_replace(srv->rules, json, &wrong))
        die("%s: %s", srv->opt.rules, wrong);
    free(json);
}

/* By rename, so whoever waits for the file never reads half of it. */
static void write_ready(const struct server *srv)
{
    struct text temp = { 0 }, t = { 0 };
    const struct listener *cdn = &srv->listeners[srv->opt.hub_count], *cas = cdn + srv->opt.cdn_count;
    text_addf(
        &t,
        "{\"pid\":%ld,\"hub\":\"%s\",\"cdn\":\"%s\",\"cas\":\"%s\",\"hub_port\":%u,\"cdn_port\":%u,\"cas_port\":%u}\n",
        (long)getpid(), srv->hub_base, srv->cdn_base, srv->cas_base, srv->listeners[0].port, cdn->port,
        srv->opt.cas_count ? cas->port : 0);
    text_addf(&temp, "%s.%ld", srv->opt.ready, (long)getpid());
    FILE *f = fopen(temp.p, "we");
    if (!f || fputs(t.p, f) < 0 || fclose(f) != 0 || rename(temp.p, srv->opt.ready) < 0)
        die("cannot write %s: %s", srv->opt.ready, strerror(errno));
    text_free(&temp);
    text_free(&t);
}

static void prepare_process(const struct options *o)
{
    if (!o->stay) {
        pid_t parent = getppid();
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* it died before the request was in force */
            exit(0);
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* With connections open their threads still use everything: then the kernel cleans up. Else what a leak checker sees is true. */
__attribute__((noreturn)) static void end(struct server *srv)
{
    for (size_t i = 0; i < srv->listener_count; i++)
        listener_close(&srv->listeners[i], 0);
    for (int i = 0; i < LAST_CONNS_MS && atomic_load(&srv->open_conns); i++)
        usleep(1000);
    if (!atomic_load(&srv->open_conns)) {
        content_free(&srv->content);
        cas_free(&srv->cas);
        rules_free(srv->rules);
        issued_free(srv->issued);
        SSL_CTX_free(srv->tls);
        exit(0);
    }
    _exit(0);
}

/* Not earlier than the threads that serve: while content is hashed a signal simply ends the program. */
static void block(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "gen"))
        return gen_main(argv);
    static struct server srv; /* outlives main for the threads */
    sigset_t signals;
    options_parse(&srv.opt, argc, argv);
    prepare_process(&srv.opt);
    srv.start_ns = now_ns();
    pthread_mutex_init(&srv.listen_lock, NULL);
    pthread_mutex_init(&srv.api.lock, NULL);
    pthread_mutex_init(&srv.resolve.lock, NULL);
    limiter_init(&srv.rate);
    srv.rules = rules_new();
    srv.issued = issued_new();
    srv.tls = load_tls(&srv.opt);
    load_rules(&srv);
    content_load(&srv.content, srv.opt.root, srv.opt.hash_cache, srv.opt.lfs_over);
    cas_load(&srv.cas, srv.opt.cas_data);
    cas_announce(&srv.cas, &srv.content);
    block(&signals);
    srv.log = log_open(srv.opt.log);
    listeners_open(&srv);
    listeners_run(&srv);
    if (srv.opt.ready)
        write_ready(&srv);
    fprintf(stderr, "fakehub: hub %s, cdn %s\n", srv.hub_base, srv.cdn_base);
    int which;
    sigwait(&signals, &which);
    end(&srv);
}
