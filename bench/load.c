/* A light HTTP/1.1 load: so many connections on one epoll, each sending the same request as soon as it has the answer.

   load PORT CONNECTIONS SECONDS REQUEST_FILE: prints requests, failures and seconds, then all latencies in
   microseconds, one a line. An answer is whole when its head and Content-Length (or the last chunk) are in. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 20)

struct client {
    int fd;
    double sent;
    size_t held;
    size_t written;
    char *buffer;
};

static int port, events;
static char *request;
static size_t size;
static char first_failure[512];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void push(struct client *c) {
    while (c->written < size) {
        ssize_t n = send(c->fd, request + c->written, size - c->written, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event wish = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(events, EPOLL_CTL_MOD, c->fd, &wish);
            return;
        }
        if (n < 0) fail("send");
        c->written += n;
    }
}

static void begin(struct client *c) {
    c->held = c->written = 0;
    c->sent = now();
    push(c);
}

static void dial(struct client *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(events, EPOLL_CTL_ADD, c->fd, &wish);
}

/* The length of the answer in the buffer, 0 while it is not whole. */
static size_t whole(struct client *c, int *closes) {
    char *end = memmem(c->buffer, c->held, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = end + 4 - c->buffer;
    char saved = c->buffer[head];
    c->buffer[head] = 0;
    char *length = strcasestr(c->buffer, "content-length:");
    *closes = strcasestr(c->buffer, "connection: close") != NULL;
    c->buffer[head] = saved;
    if (length) return c->held >= head + strtoul(length + 15, NULL, 10) ? head + strtoul(length + 15, NULL, 10) : 0;
    return c->held >= head + 5 && !memcmp(c->buffer + c->held - 5, "0\r\n\r\n", 5) ? c->held : 0;
}

int main(int count, char **words) {
    if (count != 5) return 2;
    port = atoi(words[1]);
    int connections = atoi(words[2]);
    double seconds = atof(words[3]);
    FILE *file = fopen(words[4], "rb");
    if (!file) fail(words[4]);
    request = malloc(ROOM * 16);
    size = fread(request, 1, ROOM * 16, file);
    events = epoll_create1(0);
    struct client *clients = calloc(connections, sizeof *clients);
    size_t done = 0, failures = 0, room = 1 << 16;
    float *latencies = malloc(room * sizeof *latencies);
    double started = now(), end = started + seconds, time = started;
    for (int i = 0; i < connections; i++) {
        clients[i].buffer = malloc(ROOM);
        dial(&clients[i]);
        begin(&clients[i]);
    }
    while (time < end || (done == 0 && time < end + 60)) {  /* slow sides answer once at least */
        struct epoll_event ready[256];
        int n = epoll_wait(events, ready, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct client *c = ready[i].data.ptr;
            if (ready[i].events & EPOLLOUT) {
                struct epoll_event wish = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(events, EPOLL_CTL_MOD, c->fd, &wish);
                push(c);
            }
            if (!(ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            ssize_t got = recv(c->fd, c->buffer + c->held, ROOM - c->held - 1, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {  /* kept alive no longer: once more on a new connection */
                failures += c->held > 0;
                close(c->fd);
                dial(c);
                begin(c);
                continue;
            }
            c->held += got;
            int closes = 0;
            if (!whole(c, &closes)) continue;
            time = now();
            if (done == room) latencies = realloc(latencies, (room *= 2) * sizeof *latencies);
            latencies[done++] = (time - c->sent) * 1e6;
            if (memcmp(c->buffer, "HTTP/1.1 200", 12)) {
                if (!failures++) memcpy(first_failure, c->buffer, c->held < 500 ? c->held : 500);
            }
            if (closes) {
                close(c->fd);
                dial(c);
            }
            if (time < end) begin(c);
        }
        if (n == 0 || time >= end) time = now();
    }
    if (failures) fprintf(stderr, "%s\n", first_failure);
    printf("%zu %zu %f\n", done, failures, time - started);
    for (size_t i = 0; i < done; i++) printf("%.0f\n", latencies[i]);
    return 0;
}
