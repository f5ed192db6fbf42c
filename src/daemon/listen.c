#include "daemon/listen.h"

#include "front/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128
#define TOKEN_BYTES 32         /* as many as anybody guesses at */
#define SECRET_MAX_BYTES 65536 /* a chain of certificates has some thousand */

bool listen_parse(char host[static 256], char port[static 8], const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0, digits = colon ? strlen(colon + 1) : 0;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return false; /* IPv6 without brackets: nobody knows where the port begins */
    }
    if (n == 0 || n >= 256 || digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        atoi(colon + 1) > 65535)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    strcpy(port, colon + 1);
    return true;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static int open_address(int *out, bool *loopback, const char *text, struct hfp_err *err)
{
    char host[256], port[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list = NULL;
    if (!listen_parse(host, port, text))
        return fault(err, HFP_E_ARG,
                     "--listen: '%s' is not an address. Examples: 127.0.0.1:8585, [::1]:8585, unix:/run/hf-pulld.sock.",
                     text);
    int why = getaddrinfo(host, port, &hints, &list);
    if (why != 0)
        return fault(err, HFP_E_ARG, "--listen: %s: %s.", text, gai_strerror(why));
    *loopback = is_loopback(list->ai_addr);
    int on = 1;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (ok && list->ai_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    ok = ok && bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int saved = errno;
    freeaddrinfo(list);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return fault(err, HFP_E_ARG, "--listen: %s: %s.", text, strerror(saved));
    }
    *out = fd;
    return HFP_OK;
}

/* Only a socket that refuses has nobody behind it; a full queue, or one of another user, has. */
static bool is_left_behind(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

static int open_local(int *out, const char *path, struct hfp_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct stat st;
    if (!*path || strlen(path) >= sizeof a.sun_path)
        return fault(err, HFP_E_ARG, "--listen: unix: takes a path of at most %zu bytes.", sizeof a.sun_path - 1);
    strcpy(a.sun_path, path);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && is_left_behind(&a))
        unlink(path); /* of a daemon that was killed */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177); /* for its owner alone */
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, BACKLOG) == 0;
    int saved = errno;
    umask(before);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return fault(err, HFP_E_ARG, "--listen: unix:%s: %s.", path, strerror(saved));
    }
    *out = fd;
    return HFP_OK;
}

/* ---- the token ---- */

static int make_token(const char *path, struct hfp_err *err)
{
    uint8_t random[TOKEN_BYTES];
    char text[2 * TOKEN_BYTES + 2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return fault(err, HFP_E_INTERNAL, "the kernel gives no random bytes.");
    for (int i = 0; i < TOKEN_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    text[2 * TOKEN_BYTES] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault(err, HFP_E_IO, "%s: %s.", path, strerror(errno));
    bool ok = write_all(fd, text, 2 * TOKEN_BYTES + 1);
    if (close(fd) < 0 || !ok)
        return fault(err, HFP_E_IO, "%s: %s.", path, strerror(errno));
    return HFP_OK;
}

static int read_token(struct daemon *d, const char *path, struct hfp_err *err)
{
    char *text = NULL;
    int rc = file_read(&text, path, SECRET_MAX_BYTES, false, err);
    if (rc)
        return rc;
    text[strcspn(text, " \t\r\n")] = '\0';
    if (strlen(text) < 16) {
        free(text);
        return fault(err, HFP_E_ARG, "%s: a token has 16 characters at least.", path);
    }
    d->token = text;
    return HFP_OK;
}

/* HF_PULLD_TOKEN, --api-token-file, and where one is needed DIR/token, made if it is not there. */
static int find_token(struct daemon *d, const char *data, bool needed, struct hfp_err *err)
{
    const char *environment = getenv("HF_PULLD_TOKEN"), *file = d->options->v[OPT_API_TOKEN_FILE].text;
    if (environment && *environment) {
        if (strlen(environment) < 16)
            return fault(err, HFP_E_ARG, "HF_PULLD_TOKEN: a token has 16 characters at least.");
        d->token = strdup(environment);
        return d->token ? HFP_OK : fault_nomem(err);
    }
    if (file)
        return read_token(d, file, err);
    if (!needed)
        return HFP_OK;
    char *path = path_join(data, "token");
    int rc = path ? HFP_OK : fault_nomem(err);
    struct stat st;
    if (rc == HFP_OK && stat(path, &st) == 0 && st.st_size == 0)
        unlink(path); /* of a start that was killed, or lost its power, before it was written */
    if (rc == HFP_OK && access(path, F_OK) != 0)
        rc = make_token(path, err);
    if (rc == HFP_OK)
        rc = read_token(d, path, err);
    if (rc == HFP_OK)
        log_line(&d->log, HFP_LOG_INFO, NULL, "the token for the API is in %s", path);
    free(path);
    return rc;
}

/* ---- all together ---- */

struct opened {
    struct http_listen l[HTTP_LISTENERS_MAX];
    unsigned n;
    bool beyond; /* one is reachable from elsewhere */
};

static int open_one(struct opened *o, const char *text, struct hfp_err *err)
{
    bool loopback = true;
    if (o->n == HTTP_LISTENERS_MAX)
        return fault(err, HFP_E_ARG, "--listen: more than %d addresses.", HTTP_LISTENERS_MAX);
    struct http_listen *l = &o->l[o->n];
    *l = (struct http_listen){ .fd = -1, .local = strncmp(text, "unix:", 5) == 0 };
    int rc = l->local ? open_local(&l->fd, text + 5, err) : open_address(&l->fd, &loopback, text, err);
    if (rc)
        return rc;
    l->port = l->local ? 0 : port_of(l->fd);
    o->beyond |= !loopback;
    o->n++;
    return HFP_OK;
}

static int read_tls(char **cert, char **key, const struct options *o, struct hfp_err *err)
{
    const char *cert_path = o->v[OPT_TLS_CERT].text, *key_path = o->v[OPT_TLS_KEY].text;
    if (!cert_path && !key_path)
        return HFP_OK;
    if (!cert_path || !key_path)
        return fault(err, HFP_E_ARG, "--tls-cert and --tls-key go together.");
    if (file_read(cert, cert_path, SECRET_MAX_BYTES, false, err) ||
        file_read(key, key_path, SECRET_MAX_BYTES, false, err))
        return err->code;
    return HFP_OK;
}

static void say(const struct daemon *d, const struct http_listen *l, const char *text)
{
    char host[256], port[8];
    if (l->local)
        log_line(&d->log, HFP_LOG_INFO, NULL, "listening on %s", text);
    else if (listen_parse(host, port, text))
        log_line(&d->log, HFP_LOG_INFO, NULL, "listening on %s://%s%s%s:%u/", l->tls_cert ? "https" : "http",
                 strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "", l->port);
}

int listen_all(struct daemon *d, const char *data, struct hfp_err *err)
{
    const struct options *o = d->options;
    const struct option_value *list = &o->v[OPT_LISTEN];
    struct opened opened = { 0 };
    char *cert = NULL, *key = NULL;
    int rc = read_tls(&cert, &key, o, err);
    for (size_t i = 0; i < list->list_n && rc == HFP_OK; i++)
        rc = open_one(&opened, list->list[i], err);
    d->listens = opened.n;
    bool require = option_on(o, OPT_REQUIRE_TOKEN);
    if (rc == HFP_OK)
        rc = find_token(d, data, require || opened.beyond, err);
    d->policy = (struct guard_policy){ .token = d->token,
                                       .require_token = require,
                                       .insecure_lan = option_on(o, OPT_INSECURE_LAN),
                                       .hosts = (const char *const *)o->v[OPT_ALLOW_HOST].list };
    unsigned taken = 0;
    for (; taken < opened.n && rc == HFP_OK; taken++) {
        struct http_listen *l = &opened.l[taken];
        l->tls_cert = l->local ? NULL : cert;
        l->tls_key = l->local ? NULL : key;
        rc = http_listen(d->http, l, err);
        if (rc == HFP_OK)
            say(d, l, list->list[taken]);
    }
    for (unsigned i = rc ? (taken ? taken - 1 : 0) : taken; i < opened.n; i++)
        close(opened.l[i].fd);
    free(cert);
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    return rc;
}

void listen_done(const struct daemon *d)
{
    const struct option_value *list = &d->options->v[OPT_LISTEN];
    for (size_t i = 0; i < d->listens; i++)
        if (strncmp(list->list[i], "unix:", 5) == 0)
            unlink(list->list[i] + 5);
}
