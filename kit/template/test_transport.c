/* Two processes over the transport: messages both ways, out of step and empty, a broadcast, a barrier, and the end that one declares.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <tessera/kind/transport.h>
#include <tessera/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int wrong_word(struct tess_context *ctx, const char *wanted, const char *found)
{
    return strcmp(wanted, found) == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_FAILED, "wanted `%s`, found `%s`", wanted, found);
}

/* Each rank sends two messages, the second of no bytes, and receives two. */
static int both_ways(const struct tess_transport_1 *ops, void *self, struct tess_context *ctx, int rank)
{
    char out[32], in[32] = "", wanted[32];
    const struct tess_message m[4] = {{sizeof *m, 1 - rank, 0, 0, out, sizeof out},
                                      {sizeof *m, 1 - rank, 1, 0, in, sizeof in},
                                      {sizeof *m, 1 - rank, 0, 0, out, 0},
                                      {sizeof *m, 1 - rank, 1, 0, in, 0}};
    snprintf(out, sizeof out, "from %d", rank);
    snprintf(wanted, sizeof wanted, "from %d", 1 - rank);
    TESS_TRY(ops->exchange(self, ctx, m, 4));
    return wrong_word(ctx, wanted, in);
}

/* Messages wait until they are asked for: rank 0 sends two before rank 1 receives the first. */
static int out_of_step(const struct tess_transport_1 *ops, void *self, struct tess_context *ctx, int rank)
{
    char word[2][8] = {"one", "two"}, in[2][8] = {"", ""};
    for (int i = 0; i < 2; i++) {
        const struct tess_message m = {sizeof m, 1 - rank, rank, 0, rank ? in[i] : word[i], 8};
        TESS_TRY(ops->exchange(self, ctx, &m, 1));
    }
    TESS_TRY(ops->barrier(self, ctx, 20.0));
    return rank == 0 ? TESS_OK : wrong_word(ctx, "two", in[1]);
}

static int to_all(const struct tess_transport_1 *ops, void *self, struct tess_context *ctx, int rank)
{
    char word[8];
    snprintf(word, sizeof word, "%s", rank == 1 ? "of one" : "");
    TESS_TRY(ops->broadcast(self, ctx, 1, word, sizeof word));
    return wrong_word(ctx, "of one", word);
}

/* Rank 1 ends the run; rank 0 hears of it where it waits, with the reason. */
static int the_end(const struct tess_transport_1 *ops, void *self, struct tess_context *ctx, int rank)
{
    if (rank == 1)
        ops->abort(self, TESS_E_DATA, "an image is damaged");
    int status = ops->barrier(self, ctx, 20.0);
    if (status != TESS_E_DATA)
        return ctx->fail(ctx, TESS_E_FAILED, "wanted the status of the abort, %d, found %d", TESS_E_DATA, status);
    tess_forget(ctx);
    return TESS_OK;
}

/* One rank's part; only rank 0 says what passed. */
static int take_part(const char *plugin, const char *folder, int rank)
{
    char config[200];
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    struct tess_ranks_place place;
    memset(&place, 0, sizeof place);
    place.size = sizeof place;
    snprintf(config, sizeof config, "{use: template-name, folder: %s, rank: %d, ranks: 2}", folder, rank);
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, plugin), "the plugin is accepted");
    wrong = wrong || check(h, tess_instance_open(tess_test_context(h), "transport/1", config, "test", &i), "opened");
    if (!wrong) {
        struct tess_context *ctx = tess_test_context(h);
        const struct tess_transport_1 *ops = (const struct tess_transport_1 *)tess_instance_ops(i, "transport/1");
        void *self = tess_instance_self(i);
        wrong = check(h, ops->join(self, ctx, &place), "two ranks meet");
        wrong = wrong || check(h, both_ways(ops, self, ctx, rank), "messages both ways");
        wrong = wrong || check(h, out_of_step(ops, self, ctx, rank), "messages wait for their reader");
        wrong = wrong || check(h, to_all(ops, self, ctx, rank), "a broadcast");
        wrong = wrong || check(h, the_end(ops, self, ctx, rank), "an abort reaches the other");
        ops->leave(self, wrong ? TESS_E_FAILED : TESS_OK);
        tess_instance_close(i);
    }
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/template-name-XXXXXX", command[100];
    const char *plugin = argc > 1 ? argv[1] : "./template-name.so";
    int how = 1;
    if (!mkdtemp(folder))
        return 1;
    pid_t other = fork();
    if (other == 0)
        return freopen("/dev/null", "w", stdout) ? take_part(plugin, folder, 1) : 1;
    int wrong = take_part(plugin, folder, 0);
    if (other < 0 || waitpid(other, &how, 0) < 0 || how != 0)
        printf("%-40s %s\n", "the other rank", "not");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || wrong || how != 0;
}
