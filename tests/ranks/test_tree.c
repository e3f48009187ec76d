/* The tree of sums, cut into the shares of any number of ranks, is the one of plain halves. SPDX-License-Identifier: MIT */
#include "core/ranks/ranks.h"
#include "tests/support/suite.h"

#include <string.h>

enum { LEAVES = 40, RANKS = 9 };

static float leaf(int64_t i)
{
    return (float)(i * 2654435761 % 1000003) * 1e-3f / (float)(1 + i % 7);
}

/* By the definition: nodes 2 j and 2 j + 1 are added, a last one without a partner moves up. */
static float by_halves(int64_t n)
{
    float x[LEAVES];
    for (int64_t i = 0; i < n; i++)
        x[i] = leaf(i);
    for (; n > 1; n = (n + 1) / 2)
        for (int64_t j = 0; j < (n + 1) / 2; j++)
            x[j] = 2 * j + 1 < n ? x[2 * j] + x[2 * j + 1] : x[2 * j];
    return x[0];
}

/* Sums of the nodes of a share, each by the same tree over its own leaves. */
static int share_sums(int64_t n, int64_t first, int64_t end, struct tessi_tree_node *node, float *sum)
{
    struct tessi_tree_stack s = {.leaves = n};
    float x[LEAVES];
    for (int64_t i = first; i < end; i++) {
        x[i - first] = leaf(i);
        tessi_ranks_tree_push(&s, (struct tessi_tree_node){i, i + 1}, &x[i - first], 1);
    }
    int nodes = tessi_ranks_tree_nodes(n, first, end, node);
    ck_assert_int_eq(nodes, s.depth);
    for (int i = 0; i < nodes; i++) {
        ck_assert(node[i].first == s.node[i].first && node[i].end == s.node[i].end);
        sum[i] = *s.sum[i];
    }
    return nodes;
}

START_TEST(shares_add_up_to_the_same_bits)
{
    for (int64_t n = 1; n <= LEAVES; n++)
        for (int ranks = 1; ranks <= RANKS; ranks++) {
            struct tessi_tree_stack s = {.leaves = n};
            float sum[RANKS][TESSI_TREE_NODES], want = by_halves(n);
            int64_t first, end, last = 0;
            for (int r = 0; r < ranks; r++) {
                struct tessi_tree_node node[TESSI_TREE_NODES];
                tessi_ranks_share(n, ranks, r, &first, &end);
                ck_assert(first == last && end >= first && end - first <= n / ranks + 1);
                last = end;
                int nodes = share_sums(n, first, end, node, sum[r]);
                for (int i = 0; i < nodes; i++)
                    tessi_ranks_tree_push(&s, node[i], &sum[r][i], 1);
            }
            ck_assert(last == n && s.depth == 1);
            ck_assert_msg(memcmp(s.sum[0], &want, sizeof want) == 0, "%d leaves on %d ranks", (int)n, ranks);
        }
}
END_TEST

/* A share that begins at a power of two and is as long is one node: nothing more than a reduction needs is sent. */
START_TEST(even_shares_are_one_node)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    for (int64_t n = 1; n <= 64; n *= 2)
        for (int ranks = 1; ranks <= n; ranks *= 2)
            for (int r = 0; r < ranks; r++) {
                int64_t first, end;
                tessi_ranks_share(n, ranks, r, &first, &end);
                ck_assert_int_eq(tessi_ranks_tree_nodes(n, first, end, node), 1);
            }
    ck_assert_int_eq(tessi_ranks_tree_nodes(1 << 20, 1, (1 << 20) - 1, node), 38); /* the most there are */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tree of sums over ranks");
    TCase *t = tcase_create("tree");
    tcase_add_test(t, shares_add_up_to_the_same_bits);
    tcase_add_test(t, even_shares_are_one_node);
    suite_add_tcase(s, t);
    return suite_run(s);
}
