/* The boundary's layout against tests/abi/1.txt: sizes and offsets of every public struct, and the constants' values.
 *
 * A plugin compiled long ago reads these structs with the offsets of its day. So a line of the golden file may be added to but
 * never changes within a major version. After fields were appended: raise TESS_ABI_MINOR, list the new fields here, and run the
 * test once with TESSERA_ABI_REWRITE=1. As long as nothing is released there is no plugin that could be told, and the minor
 * stays 0: only the list and the golden file follow then.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <tessera/tessera.h>
#include <tessera/test.h>

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN TEST_SOURCE "/tests/abi/1.txt"
#define HEADERS TEST_SOURCE "/include/tessera"
#define ADVICE                                                                                                              \
    "; were fields only appended, raise TESS_ABI_MINOR in base.h and run this test with TESSERA_ABI_REWRITE=1; anything else " \
    "breaks plugins that exist"

struct row {
    const char *owner, *member; /* member NULL: the struct itself */
    size_t offset, size;
};
#define S(s) {#s, NULL, 0, sizeof(struct s)},
#define F(s, m) {#s, #m, offsetof(struct s, m), sizeof(((struct s *)0)->m)},
/* clang-format off */
static const struct row rows[] = {
    S(tess_metric_value)
        F(tess_metric_value, size) F(tess_metric_value, better) F(tess_metric_value, name) F(tess_metric_value, unit)
        F(tess_metric_value, value) F(tess_metric_value, standard_error) F(tess_metric_value, low) F(tess_metric_value, high)
    S(tess_dataset)
        F(tess_dataset, size) F(tess_dataset, bits) F(tess_dataset, compress) F(tess_dataset, labels) F(tess_dataset, unit)
        F(tess_dataset, may_end) F(tess_dataset, by_row)
    S(tess_tiles)
        F(tess_tiles, size) F(tess_tiles, zoom) F(tess_tiles, gap) F(tess_tiles, count) F(tess_tiles, across) F(tess_tiles, height)
        F(tess_tiles, width) F(tess_tiles, rows)
    S(tess_encoder_1)
        F(tess_encoder_1, size) F(tess_encoder_1, record)
    S(tess_decoder_1)
        F(tess_decoder_1, size) F(tess_decoder_1, record) F(tess_decoder_1, record_likelihood) F(tess_decoder_1, record_larger)
    S(tess_quantized) F(tess_quantized, size) F(tess_quantized, reserved)
        F(tess_quantized, quantised) F(tess_quantized, codes) F(tess_quantized, loss)
    S(tess_code_layout)
        F(tess_code_layout, size) F(tess_code_layout, without_error) F(tess_code_layout, codebook_size) F(tess_code_layout, code_dim)
        F(tess_code_layout, depth) F(tess_code_layout, level_size)
    S(tess_react)
        F(tess_react, size) F(tess_react, step) F(tess_react, seed) F(tess_react, weights) F(tess_react, scope) F(tess_react, latents)
        F(tess_react, codes) F(tess_react, graph) F(tess_react, batch) F(tess_react, warm_started) F(tess_react, reserved)
        F(tess_react, steps) F(tess_react, run)
    S(tess_quantizer_1)
        F(tess_quantizer_1, size) F(tess_quantizer_1, codebook_size) F(tess_quantizer_1, code_dim) F(tess_quantizer_1, record)
        F(tess_quantizer_1, record_assign) F(tess_quantizer_1, record_lookup) F(tess_quantizer_1, react) F(tess_quantizer_1, rebuild)
        F(tess_quantizer_1, depth) F(tess_quantizer_1, level_size) F(tess_quantizer_1, outside_latent_space)
    S(tess_kernel_desc)
        F(tess_kernel_desc, size) F(tess_kernel_desc, what) F(tess_kernel_desc, dtype_a) F(tess_kernel_desc, dtype_b)
        F(tess_kernel_desc, dtype_c) F(tess_kernel_desc, bias)
        F(tess_kernel_desc, weight_b) F(tess_kernel_desc, transpose_a) F(tess_kernel_desc, transpose_b) F(tess_kernel_desc, m)
        F(tess_kernel_desc, n) F(tess_kernel_desc, k)
        F(tess_kernel_desc, lda) F(tess_kernel_desc, ldb) F(tess_kernel_desc, ldc) F(tess_kernel_desc, outer) F(tess_kernel_desc, inner)
        F(tess_kernel_desc, stride_a)
        F(tess_kernel_desc, stride_b) F(tess_kernel_desc, stride_c) F(tess_kernel_desc, alpha) F(tess_kernel_desc, beta)
        F(tess_kernel_desc, images) F(tess_kernel_desc, h)
        F(tess_kernel_desc, w) F(tess_kernel_desc, ci) F(tess_kernel_desc, kh) F(tess_kernel_desc, kw) F(tess_kernel_desc, ho)
        F(tess_kernel_desc, wo) F(tess_kernel_desc, co)
        F(tess_kernel_desc, stride) F(tess_kernel_desc, top) F(tess_kernel_desc, left)
    S(tess_kernel)
        F(tess_kernel, size) F(tess_kernel, reserved) F(tess_kernel, handle) F(tess_kernel, scratch_bytes) F(tess_kernel, packed_bytes)
    S(tess_kernel_run)
        F(tess_kernel_run, size) F(tess_kernel_run, a) F(tess_kernel_run, b) F(tess_kernel_run, bias) F(tess_kernel_run, c)
        F(tess_kernel_run, scratch) F(tess_kernel_run, context)
    S(tess_backend_1)
        F(tess_backend_1, size) F(tess_backend_1, numeric_class) F(tess_backend_1, plan) F(tess_backend_1, pack) F(tess_backend_1, run)
        F(tess_backend_1, drop) F(tess_backend_1, multiplies) F(tess_backend_1, preference) F(tess_backend_1, reserved)
        F(tess_backend_1, reserve)
    S(tess_context)
        F(tess_context, size) F(tess_context, reserved) F(tess_context, host) F(tess_context, fail)
    S(tess_host)
        F(tess_host, size) F(tess_host, abi_major) F(tess_host, abi_minor) F(tess_host, service)
    S(tess_digest)
        F(tess_digest, state) F(tess_digest, bytes) F(tess_digest, block)
    S(tess_graph_options)
        F(tess_graph_options, size) F(tess_graph_options, training) F(tess_graph_options, microbatch) F(tess_graph_options, microbatches)
        F(tess_graph_options, seed) F(tess_graph_options, recompute) F(tess_graph_options, reserved) F(tess_graph_options, training_steps)
    S(tess_cost)
        F(tess_cost, size) F(tess_cost, parameters) F(tess_cost, flops) F(tess_cost, arena_bytes) F(tess_cost, total_bytes)
    S(tess_conv)
        F(tess_conv, size) F(tess_conv, stride) F(tess_conv, top) F(tess_conv, left) F(tess_conv, bottom) F(tess_conv, right)
    S(tess_op_run)
        F(tess_op_run, size) F(tess_op_run, inputs) F(tess_op_run, outputs) F(tess_op_run, attr) F(tess_op_run, in) F(tess_op_run, out)
        F(tess_op_run, dout) F(tess_op_run, din) F(tess_op_run, scratch) F(tess_op_run, random) F(tess_op_run, rows) F(tess_op_run, context)
        F(tess_op_run, host_state)
    S(tess_op)
        F(tess_op, size) F(tess_op, name) F(tess_op, keep_in) F(tess_op, keep_out) F(tess_op, forward) F(tess_op, backward)
    S(tess_batch)
        F(tess_batch, size) F(tess_batch, inputs) F(tess_batch, outputs) F(tess_batch, totals) F(tess_batch, samples) F(tess_batch, step)
        F(tess_batch, first) F(tess_batch, in) F(tess_batch, out) F(tess_batch, total)
    S(tess_tokenizer) F(tess_tokenizer, size) F(tess_tokenizer, without_error)
        F(tess_tokenizer, height) F(tess_tokenizer, width) F(tess_tokenizer, channels) F(tess_tokenizer, latent_height)
        F(tess_tokenizer, latent_width) F(tess_tokenizer, codebook_size) F(tess_tokenizer, code_dim) F(tess_tokenizer, encoder)
        F(tess_tokenizer, quantizer) F(tess_tokenizer, decoder) F(tess_tokenizer, depth) F(tess_tokenizer, level_size)
    S(tess_prior)
        F(tess_prior, size) F(tess_prior, reserved) F(tess_prior, codebook_size) F(tess_prior, height) F(tess_prior, width)
        F(tess_prior, noise) F(tess_prior, denoiser) F(tess_prior, depth) F(tess_prior, level_size) F(tess_prior, classes)
    S(tess_code_health)
        F(tess_code_health, codebook_size) F(tess_code_health, used) F(tess_code_health, total) F(tess_code_health, entropy)
        F(tess_code_health, perplexity) F(tess_code_health, top_share)
    S(tess_list)
        F(tess_list, count) F(tess_list, item)
    S(tess_list_f64)
        F(tess_list_f64, count) F(tess_list_f64, item)
    S(tess_list_str)
        F(tess_list_str, count) F(tess_list_str, item)
    S(tess_list_component)
        F(tess_list_component, count) F(tess_list_component, item)
    S(tess_param)
        F(tess_param, name) F(tess_param, help) F(tess_param, type) F(tess_param, flags) F(tess_param, offset) F(tess_param, lo)
        F(tess_param, hi) F(tess_param, def) F(tess_param, text) F(tess_param, former)
    S(tess_component)
        F(tess_component, name) F(tess_component, kind) F(tess_component, summary) F(tess_component, params) F(tess_component, param_stride)
        F(tess_component, reserved) F(tess_component, caps) F(tess_component, self_size) F(tess_component, open) F(tess_component, close)
        F(tess_component, ops) F(tess_component, made_by) F(tess_component, module) F(tess_component, settings)
        F(tess_component, source) F(tess_component, example)
    S(tess_plugin)
        F(tess_plugin, size) F(tess_plugin, abi_major) F(tess_plugin, abi_minor) F(tess_plugin, id) F(tess_plugin, version)
        F(tess_plugin, license) F(tess_plugin, needs) F(tess_plugin, components) F(tess_plugin, component_stride) F(tess_plugin, epoch)
    S(tess_neighbours_options)
        F(tess_neighbours_options, size) F(tess_neighbours_options, goes_on) F(tess_neighbours_options, neighbours)
        F(tess_neighbours_options, block) F(tess_neighbours_options, queries) F(tess_neighbours_options, index)
        F(tess_neighbours_options, square) F(tess_neighbours_options, radius) F(tess_neighbours_options, inside)
        F(tess_neighbours_options, open)
    S(tess_noise_loss)
        F(tess_noise_loss, size) F(tess_noise_loss, reserved) F(tess_noise_loss, loss) F(tess_noise_loss, bound)
    S(tess_pool)
        F(tess_pool, size) F(tess_pool, count) F(tess_pool, width) F(tess_pool, user) F(tess_pool, read)
    S(tess_kmeans_options)
        F(tess_kmeans_options, size) F(tess_kmeans_options, seeding) F(tess_kmeans_options, codebook_size) F(tess_kmeans_options, chain)
        F(tess_kmeans_options, iterations) F(tess_kmeans_options, tolerance) F(tess_kmeans_options, plain) F(tess_kmeans_options, seed)
        F(tess_kmeans_options, user) F(tess_kmeans_options, stop)
    S(tess_kmeans_report)
        F(tess_kmeans_report, iterations) F(tess_kmeans_report, assigned) F(tess_kmeans_report, spared) F(tess_kmeans_report, reseeded)
        F(tess_kmeans_report, objective) F(tess_kmeans_report, shift) F(tess_kmeans_report, converged)
    S(tess_sampler_options)
        F(tess_sampler_options, size) F(tess_sampler_options, every_step) F(tess_sampler_options, prior) F(tess_sampler_options, denoise)
        F(tess_sampler_options, batch) F(tess_sampler_options, count) F(tess_sampler_options, steps) F(tess_sampler_options, temperature)
        F(tess_sampler_options, seed) F(tess_sampler_options, picked) F(tess_sampler_options, next) F(tess_sampler_options, mask)
        F(tess_sampler_options, values) F(tess_sampler_options, each) F(tess_sampler_options, number) F(tess_sampler_options, sampler)
        F(tess_sampler_options, label) F(tess_sampler_options, guidance)
    S(tess_sampler_step)
        F(tess_sampler_step, size) F(tess_sampler_step, call) F(tess_sampler_step, left) F(tess_sampler_step, steps)
        F(tess_sampler_step, prior) F(tess_sampler_step, reverse) F(tess_sampler_step, mask) F(tess_sampler_step, state)
    S(tess_sampler_1)
        F(tess_sampler_1, size) F(tess_sampler_1, reserved) F(tess_sampler_1, check) F(tess_sampler_1, reads) F(tess_sampler_1, draw)
        F(tess_sampler_1, calls) F(tess_sampler_1, state_size)
    S(tess_reverse)
        F(tess_reverse, size) F(tess_reverse, last) F(tess_reverse, tokens) F(tess_reverse, codebook_size) F(tess_reverse, from)
        F(tess_reverse, to) F(tess_reverse, temperature) F(tess_reverse, logits) F(tess_reverse, x) F(tess_reverse, next)
        F(tess_reverse, random) F(tess_reverse, row)
    S(tess_noise_seen)
        F(tess_noise_seen, size) F(tess_noise_seen, samples) F(tess_noise_seen, tokens) F(tess_noise_seen, t) F(tess_noise_seen, bound)
    S(tess_noise_1)
        F(tess_noise_1, size) F(tess_noise_1, needs_time) F(tess_noise_1, vocabulary) F(tess_noise_1, steps) F(tess_noise_1, corrupt)
        F(tess_noise_1, record_loss) F(tess_noise_1, bound_constant) F(tess_noise_1, start) F(tess_noise_1, reverse)
        F(tess_noise_1, changes) F(tess_noise_1, draw_time) F(tess_noise_1, observe) F(tess_noise_1, reads_row) F(tess_noise_1, reserved)
        F(tess_noise_1, causal) F(tess_noise_1, reserved_1) F(tess_noise_1, condition)
    S(tess_denoiser_input)
        F(tess_denoiser_input, size) F(tess_denoiser_input, tokens) F(tess_denoiser_input, time) F(tess_denoiser_input, vocabulary)
        F(tess_denoiser_input, codebook_size) F(tess_denoiser_input, height) F(tess_denoiser_input, width)
        F(tess_denoiser_input, positions) F(tess_denoiser_input, causal) F(tess_denoiser_input, reserved) F(tess_denoiser_input, depth)
        F(tess_denoiser_input, label) F(tess_denoiser_input, classes)
    S(tess_denoiser_next)
        F(tess_denoiser_next, size) F(tess_denoiser_next, token) F(tess_denoiser_next, position) F(tess_denoiser_next, cache)
        F(tess_denoiser_next, vocabulary) F(tess_denoiser_next, codebook_size) F(tess_denoiser_next, height) F(tess_denoiser_next, width)
        F(tess_denoiser_next, depth) F(tess_denoiser_next, label) F(tess_denoiser_next, classes)
    S(tess_critic_1)
        F(tess_critic_1, size) F(tess_critic_1, record)
    S(tess_metric_shape)
        F(tess_metric_shape, size) F(tess_metric_shape, reserved) F(tess_metric_shape, rows) F(tess_metric_shape, height)
        F(tess_metric_shape, width) F(tess_metric_shape, channels) F(tess_metric_shape, features) F(tess_metric_shape, resamples)
        F(tess_metric_shape, classes) F(tess_metric_shape, depth) F(tess_metric_shape, level_size)
    S(tess_metric_rows)
        F(tess_metric_rows, size) F(tess_metric_rows, set) F(tess_metric_rows, first) F(tess_metric_rows, count) F(tess_metric_rows, image)
        F(tess_metric_rows, made) F(tess_metric_rows, features) F(tess_metric_rows, distance) F(tess_metric_rows, scores)
        F(tess_metric_rows, made_scores) F(tess_metric_rows, labels) F(tess_metric_rows, codes) F(tess_metric_rows, stay)
        F(tess_metric_rows, reserved)
    S(tess_metric_sink)
        F(tess_metric_sink, size) F(tess_metric_sink, reserved) F(tess_metric_sink, to) F(tess_metric_sink, value)
        F(tess_metric_sink, parallel) F(tess_metric_sink, list) F(tess_metric_sink, dealt)
    S(tess_metric_resamples)
        F(tess_metric_resamples, size) F(tess_metric_resamples, reserved) F(tess_metric_resamples, count) F(tess_metric_resamples, rows)
        F(tess_metric_resamples, times) F(tess_metric_resamples, to) F(tess_metric_resamples, value) F(tess_metric_resamples, parallel)
        F(tess_metric_resamples, dealt)
    S(tess_metric_1)
        F(tess_metric_1, size) F(tess_metric_1, wants) F(tess_metric_1, protocol) F(tess_metric_1, check) F(tess_metric_1, bytes)
        F(tess_metric_1, open) F(tess_metric_1, close) F(tess_metric_1, accumulate) F(tess_metric_1, merge) F(tess_metric_1, finish)
        F(tess_metric_1, pack) F(tess_metric_1, unpack)
        F(tess_metric_1, uses_training) F(tess_metric_1, reserved) F(tess_metric_1, resample)
    S(tess_features)
        F(tess_features, size) F(tess_features, count) F(tess_features, map) F(tess_features, weight)
        F(tess_features, trained) F(tess_features, reserved)
    S(tess_features_1)
        F(tess_features_1, size) F(tess_features_1, record) F(tess_features_1, file) F(tess_features_1, place)
        F(tess_features_1, second_file)
    S(tess_denoiser_1)
        F(tess_denoiser_1, size) F(tess_denoiser_1, record) F(tess_denoiser_1, picks_positions) F(tess_denoiser_1, reserved)
        F(tess_denoiser_1, causal) F(tess_denoiser_1, reserved_1) F(tess_denoiser_1, record_next) F(tess_denoiser_1, reads_depth)
        F(tess_denoiser_1, reserved_2) F(tess_denoiser_1, takes_labels) F(tess_denoiser_1, reserved_3)
    S(tess_entry)
        F(tess_entry, name) F(tess_entry, dtype) F(tess_entry, is_real) F(tess_entry, rank) F(tess_entry, dim)
    S(tess_format_file)
        F(tess_format_file, size) F(tess_format_file, notes) F(tess_format_file, entries) F(tess_format_file, entry)
        F(tess_format_file, note) F(tess_format_file, user) F(tess_format_file, values) F(tess_format_file, put)
        F(tess_format_file, same) F(tess_format_file, within)
    S(tess_format_1)
        F(tess_format_1, size) F(tess_format_1, recognises) F(tess_format_1, open_file) F(tess_format_1, count) F(tess_format_1, entry)
        F(tess_format_1, read) F(tess_format_1, write) F(tess_format_1, remark) F(tess_format_1, place)
        F(tess_format_1, endings) F(tess_format_1, read_part)
    S(tess_place)
        F(tess_place, size) F(tess_place, bytes) F(tess_place, offset) F(tess_place, is_signed) F(tess_place, is_real)
    S(tess_import_use)
        F(tess_import_use, ours) F(tess_import_use, left) F(tess_import_use, layout)
    S(tess_import_plan)
        F(tess_import_plan, size) F(tess_import_plan, entries) F(tess_import_plan, entry) F(tess_import_plan, tokenizer)
        F(tess_import_plan, use) F(tess_import_plan, kind) F(tess_import_plan, attrs) F(tess_import_plan, assumed)
        F(tess_import_plan, warning) F(tess_import_plan, order) F(tess_import_plan, settings)
    S(tess_export_weight)
        F(tess_export_weight, ours) F(tess_export_weight, shape) F(tess_export_weight, theirs) F(tess_export_weight, left)
        F(tess_export_weight, layout) F(tess_export_weight, rank) F(tess_export_weight, dim)
    S(tess_export_plan)
        F(tess_export_plan, size) F(tess_export_plan, kind) F(tess_export_plan, attrs) F(tess_export_plan, weights)
        F(tess_export_plan, weight) F(tess_export_plan, add) F(tess_export_plan, host) F(tess_export_plan, within)
    S(tess_export_extra)
        F(tess_export_extra, size) F(tess_export_extra, rank) F(tess_export_extra, theirs) F(tess_export_extra, dtype)
        F(tess_export_extra, dim) F(tess_export_extra, values) F(tess_export_extra, value) F(tess_export_extra, is_same)
        F(tess_export_extra, weight)
    S(tess_checkpoint_1)
        F(tess_checkpoint_1, size) F(tess_checkpoint_1, plan_import) F(tess_checkpoint_1, plan_export)
    S(tess_stream)
        F(tess_stream, seed) F(tess_stream, purpose) F(tess_stream, step) F(tess_stream, sample)
    S(tess_image)
        F(tess_image, size) F(tess_image, reserved) F(tess_image, height) F(tess_image, width) F(tess_image, channels)
        F(tess_image, pixels) F(tess_image, capacity)
        F(tess_image, label) F(tess_image, name) F(tess_image, reason)
    S(tess_array_shape)
        F(tess_array_shape, size) F(tess_array_shape, kind) F(tess_array_shape, bytes) F(tess_array_shape, rank) F(tess_array_shape, dim)
    S(tess_source_1)
        F(tess_source_1, size) F(tess_source_1, count) F(tess_source_1, shape) F(tess_source_1, labels) F(tess_source_1, names)
        F(tess_source_1, read) F(tess_source_1, fingerprint) F(tess_source_1, class_name) F(tess_source_1, tolerate)
        F(tess_source_1, remark) F(tess_source_1, bytes) F(tess_source_1, rest)
        F(tess_source_1, content) F(tess_source_1, soon) F(tess_source_1, part)
    S(tess_port)
        F(tess_port, name) F(tess_port, kind) F(tess_port, optional) F(tess_port, help)
    S(tess_stage_plan)
        F(tess_stage_plan, size) F(tess_stage_plan, in) F(tess_stage_plan, out) F(tess_stage_plan, seed) F(tess_stage_plan, cost)
        F(tess_stage_plan, steps) F(tess_stage_plan, output_bytes) F(tess_stage_plan, checkpoint_bytes) F(tess_stage_plan, portable)
    S(tess_test_options)
        F(tess_test_options, size) F(tess_test_options, threads) F(tess_test_options, backend) F(tess_test_options, precision)
        F(tess_test_options, plugin_path)
    S(tess_test_graph)
        F(tess_test_graph, size) F(tess_test_graph, training) F(tess_test_graph, inputs) F(tess_test_graph, outputs)
        F(tess_test_graph, in) F(tess_test_graph, microbatches) F(tess_test_graph, seed) F(tess_test_graph, step)
        F(tess_test_graph, reserved) F(tess_test_graph, weights) F(tess_test_graph, record) F(tess_test_graph, user)
    S(tess_gradient_options)
        F(tess_gradient_options, size) F(tess_gradient_options, only_inputs) F(tess_gradient_options, tolerance)
        F(tess_gradient_options, step) F(tess_gradient_options, perturb) F(tess_gradient_options, max_elements)
    S(tess_gradient_report)
        F(tess_gradient_report, size) F(tess_gradient_report, rank) F(tess_gradient_report, checked) F(tess_gradient_report, moved)
        F(tess_gradient_report, wrong) F(tess_gradient_report, name) F(tess_gradient_report, index) F(tess_gradient_report, value)
        F(tess_gradient_report, backward) F(tess_gradient_report, difference) F(tess_gradient_report, error)
    S(tess_stage_1)
        F(tess_stage_1, size) F(tess_stage_1, ports) F(tess_stage_1, output) F(tess_stage_1, plan) F(tess_stage_1, fingerprint)
        F(tess_stage_1, run) F(tess_stage_1, depends) F(tess_stage_1, port_stride)
    S(tess_ranks_place)
        F(tess_ranks_place, size) F(tess_ranks_place, rank) F(tess_ranks_place, ranks) F(tess_ranks_place, host)
    S(tess_message)
        F(tess_message, size) F(tess_message, peer) F(tess_message, receives) F(tess_message, reserved) F(tess_message, data)
        F(tess_message, bytes)
    S(tess_transport_1)
        F(tess_transport_1, size) F(tess_transport_1, reserved) F(tess_transport_1, join) F(tess_transport_1, exchange)
        F(tess_transport_1, broadcast) F(tess_transport_1, barrier) F(tess_transport_1, alive) F(tess_transport_1, abort)
        F(tess_transport_1, leave)
    S(tess_tensor)
        F(tess_tensor, dtype) F(tess_tensor, rank) F(tess_tensor, dim) F(tess_tensor, data)
    S(tess_training_params)
        F(tess_training_params, steps) F(tess_training_params, batch) F(tess_training_params, microbatches) F(tess_training_params, warmup)
        F(tess_training_params, ema_every) F(tess_training_params, log_every) F(tess_training_params, lr) F(tess_training_params, lr_final)
        F(tess_training_params, beta1) F(tess_training_params, beta2) F(tess_training_params, epsilon) F(tess_training_params, weight_decay)
        F(tess_training_params, clip) F(tess_training_params, ema_decay) F(tess_training_params, optimiser)
        F(tess_training_params, schedule) F(tess_training_params, recompute)
    S(tess_training)
        F(tess_training, size) F(tess_training, params_size)
        F(tess_training, params) F(tess_training, weights) F(tess_training, graph) F(tess_training, user)
        F(tess_training, fill) F(tess_training, after) F(tess_training, group) F(tess_training, groups) F(tess_training, columns)
        F(tess_training, column) F(tess_training, metric) F(tess_training, remember)
    S(tess_training_group)
        F(tess_training_group, size) F(tess_training_group, prefix) F(tess_training_group, first_step) F(tess_training_group, again)
    S(tess_init)
        F(tess_init, size) F(tess_init, kind) F(tess_init, flags) F(tess_init, centre) F(tess_init, spread)
};
/* clang-format on */

struct constant {
    const char *name;
    long value;
};
#define E(e) {#e, (long)(e)},
static const struct constant constants[] = {
    E(TESS_GEMM) E(TESS_CONV) E(TESS_CONV_DATA) E(TESS_CONV_WEIGHT) E(TESS_OK) E(TESS_E_USAGE) E(TESS_E_VALUE) E(TESS_E_SHAPE)
    E(TESS_E_DATA) E(TESS_E_PLUGIN) E(TESS_E_CREATE) E(TESS_E_IO) E(TESS_E_STOPPED) E(TESS_E_MEMORY) E(TESS_E_FAILED) E(TESS_E_INTERNAL)
    E(TESS_E_ITEM)
    E(TESS_BOOL) E(TESS_I64) E(TESS_F64) E(TESS_STR) E(TESS_ENUM) E(TESS_LIST) E(TESS_COMPONENT) E(TESS_LIST_F64)
    E(TESS_LIST_STR) E(TESS_LIST_COMPONENT) E(TESS_LATER) E(TESS_GONE) E(TESS_REQUIRED) E(TESS_NEUTRAL)
    E(TESS_PATH) E(TESS_F32) E(TESS_BF16) E(TESS_U8) E(TESS_U16) E(TESS_I32) E(TESS_INIT_CONSTANT)
    E(TESS_INIT_UNIFORM) E(TESS_INIT_NORMAL) E(TESS_WEIGHT_BUFFER) E(TESS_WEIGHT_NO_DECAY) E(TESS_WEIGHT_EXTERNAL) E(TESS_ROLE_VALUE)
    E(TESS_ROLE_MOMENT1) E(TESS_ROLE_MOMENT2) E(TESS_ROLE_AVERAGE) E(TESS_LAYOUT_SAME) E(TESS_LAYOUT_KERNEL)
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *layout(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(to);
    fprintf(to, "abi %d.%d\n", TESS_ABI_MAJOR, TESS_ABI_MINOR);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].member)
            fprintf(to, "%s.%s %zu %zu\n", rows[i].owner, rows[i].member, rows[i].offset, rows[i].size);
        else
            fprintf(to, "struct %s %zu\n", rows[i].owner, rows[i].size);
    }
    for (size_t i = 0; i < COUNT(constants); i++)
        fprintf(to, "%s %ld\n", constants[i].name, constants[i].value);
    ck_assert_int_eq(fclose(to), 0);
    return text;
}

static char *file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    ck_assert_msg(n < (1 << 20) - 1, "%s is larger than this test reads", path);
    fclose(f);
    return text;
}

/* 1 when `text` has this line whole. */
static int has_line(const char *text, const char *line, size_t length)
{
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strcspn(at, "\n") == length && strncmp(at, line, length) == 0)
            return 1;
    return 0;
}

/* The first line of `text` that `other` has not, but for the version and for sizes of whole structs, which may grow. */
static const char *lost_line(const char *text, const char *other, int growth)
{
    static char line[256];
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        if (growth && (strncmp(at, "abi ", 4) == 0 || strncmp(at, "struct ", 7) == 0))
            continue;
        if (!has_line(other, at, length)) {
            snprintf(line, sizeof line, "%.*s", (int)length, at);
            return line;
        }
    }
    return NULL;
}

/* First member that is new in `now` and begins before the end that its struct has in the golden layout: it lies in former padding, which
 * the size of an older struct already counts. NULL: there is none. */
static const char *padded_line(const char *golden, const char *now)
{
    static char line[256];
    for (const char *at = now; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        char owner[128], member[128], wanted[160];
        size_t offset, then, size = strcspn(at, "\n");
        if (sscanf(at, "%127[a-z_0-9].%127[a-z_0-9] %zu", owner, member, &offset) != 3 || has_line(golden, at, size))
            continue;
        snprintf(wanted, sizeof wanted, "struct %s ", owner);
        const char *whole = strstr(golden, wanted);
        if (whole && sscanf(whole + strlen(wanted), "%zu", &then) == 1 && offset < then) {
            snprintf(line, sizeof line, "%s.%s", owner, member);
            return line;
        }
    }
    return NULL;
}

START_TEST(appended_fields_begin_behind_the_older_struct)
{
    static const char golden[] = "struct s 16\ns.size 0 4\ns.pointer 8 8\nstruct t 16\nt.pointer 0 8\nt.last 8 4\n";
    ck_assert_ptr_null(padded_line(golden, golden));
    ck_assert_ptr_null(padded_line(golden, "struct s 24\ns.size 0 4\ns.pointer 8 8\ns.added 16 8\n"));
    ck_assert_str_eq(padded_line(golden, "struct s 16\ns.size 0 4\ns.added 4 4\ns.pointer 8 8\n"), "s.added");
    ck_assert_str_eq(padded_line(golden, "struct t 16\nt.pointer 0 8\nt.last 8 4\nt.added 12 4\n"), "t.added");
    ck_assert_ptr_null(padded_line(golden, "struct new 16\nnew.size 0 4\nnew.other 4 4\n"));
}
END_TEST

/* Structs that do not begin with their size: rows of tables that carry a stride, and what never grows. */
static int has_no_size(const char *owner)
{
    static const char *const rows_of_tables[] = {"tess_param", "tess_component", "tess_port"};
    static const char *const never_grow[] = {"tess_list",   "tess_list_f64", "tess_list_str", "tess_list_component",
                                             "tess_tensor", "tess_digest",   "tess_stream"};
    /* To get one before the first release: of kinds that are still being made. */
    static const char *const awaited[] = {"tess_quantized",     "tess_tokenizer",      "tess_prior", "tess_code_health",
                                          "tess_noise_loss",    "tess_kmeans_report",  "tess_entry", "tess_import_use",
                                          "tess_export_weight", "tess_training_params"};
    for (size_t i = 0; i < COUNT(rows_of_tables); i++)
        if (strcmp(owner, rows_of_tables[i]) == 0)
            return 1;
    for (size_t i = 0; i < COUNT(never_grow); i++)
        if (strcmp(owner, never_grow[i]) == 0)
            return 1;
    for (size_t i = 0; i < COUNT(awaited); i++)
        if (strcmp(owner, awaited[i]) == 0)
            return 1;
    return 0;
}

START_TEST(structs_begin_with_their_size)
{
    for (size_t i = 0; i + 1 < COUNT(rows); i++) {
        const struct row *first = &rows[i + 1];
        if (rows[i].member || has_no_size(rows[i].owner))
            continue;
        ck_assert_msg(first->member && strcmp(first->member, "size") == 0 && first->offset == 0 && first->size == sizeof(uint32_t),
                      "struct %s wants `uint32_t size` first, so that it can grow", rows[i].owner);
    }
}
END_TEST

START_TEST(layout_is_the_golden_one)
{
    char *now = layout(), *golden = file_text(GOLDEN);
    const char *lost;
    if (getenv("TESSERA_ABI_REWRITE")) {
        lost = golden ? lost_line(golden, now, 1) : NULL;
        ck_assert_msg(!lost, "\"%s\" has moved: a new major version, with a golden file of its own, is needed", lost);
        lost = golden ? padded_line(golden, now) : NULL;
        ck_assert_msg(!lost, "%s begins in the padding of the struct as it was; put `int32_t reserved` before it", lost);
        FILE *f = fopen(GOLDEN, "w");
        ck_assert_msg(f != NULL, "%s cannot be written", GOLDEN);
        fputs(now, f);
        ck_assert_int_eq(fclose(f), 0);
    } else {
        ck_assert_msg(golden != NULL, "%s is missing", GOLDEN);
        lost = lost_line(golden, now, 0);
        ck_assert_msg(!lost, "the golden layout has \"%s\", the headers have not%s", lost, ADVICE);
        lost = lost_line(now, golden, 0);
        ck_assert_msg(!lost, "the headers have \"%s\", the golden layout has not%s", lost, ADVICE);
    }
    free(now);
    free(golden);
}
END_TEST

static void blank_comments(char *text)
{
    for (char *at = text; (at = strstr(at, "/*"));) {
        char *end = strstr(at, "*/");
        ck_assert_ptr_nonnull(end);
        memset(at, ' ', (size_t)(end + 2 - at));
    }
}

/* Declarators of a struct's body: one a semicolon, and one a comma outside brackets. */
static size_t members_of(const char *body, const char *end)
{
    size_t n = 0;
    int depth = 0;
    for (; body < end; body++) {
        depth += (*body == '(') - (*body == ')');
        n += depth == 0 && (*body == ';' || *body == ',');
    }
    return n;
}

static void check_header(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", HEADERS, folder, name);
    char *text = file_text(path);
    ck_assert_ptr_nonnull(text);
    blank_comments(text);
    for (char *at = text; (at = strstr(at, "\nstruct tess_"));) {
        at += strlen("\nstruct ");
        size_t length = 0, listed = 0, structs = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        if (strncmp(at + length, " {", 2) != 0)
            continue;
        const char *end = strstr(at, "\n};");
        ck_assert_ptr_nonnull(end);
        for (size_t i = 0; i < COUNT(rows); i++) {
            if (strlen(rows[i].owner) != length || strncmp(rows[i].owner, at, length) != 0)
                continue;
            structs += rows[i].member == NULL;
            listed += rows[i].member != NULL;
        }
        ck_assert_msg(structs == 1, "%s: struct %.*s is not in this test's table", name, (int)length, at);
        size_t members = members_of(at + length + 2, end);
        ck_assert_msg(listed == members, "%s: struct %.*s has %zu members, this test's table lists %zu%s", name, (int)length, at, members,
                      listed, ADVICE);
    }
    free(text);
}

START_TEST(every_public_struct_is_in_the_table)
{
    static const char *const folder[] = {"", "kind/"};
    int headers = 0;
    for (size_t i = 0; i < COUNT(folder); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", HEADERS, folder[i]);
        DIR *d = opendir(path);
        ck_assert_msg(d != NULL, "%s cannot be read", path);
        for (struct dirent *e; (e = readdir(d));) {
            const char *dot = strrchr(e->d_name, '.');
            if (dot && strcmp(dot, ".h") == 0) {
                check_header(folder[i], e->d_name);
                headers++;
            }
        }
        closedir(d);
    }
    ck_assert_int_ge(headers, 26);
}
END_TEST

/* ---- what is asked for ---------------------------------------------------------------------------------------------- */

/* A field that is looked for begins where no older struct's padding can be: at a multiple of what structs are aligned to. A `size` with
 * padding would else claim a field that its maker did not know. */
static void check_field(const char *path, const char *field, size_t length)
{
    size_t found = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *r = &rows[i];
        if (!r->member || strlen(r->member) != length || strncmp(r->member, field, length) != 0)
            continue;
        found++;
        ck_assert_msg(
            r->offset % sizeof(void *) == 0,
            "%s asks for %s.%s, which begins at %zu, inside of what may be an older struct's padding; put `int32_t reserved` before it",
            path, r->owner, r->member, r->offset);
    }
    ck_assert_msg(found, "%s asks for `%.*s`, which is in no public struct", path, (int)length, field);
}

/* `size` compared with an offset by hand. */
static int is_other_spelling(const char *line, size_t length)
{
    static const char *const sizes[] = {"->size ", "->size)", ".size ", ".size)"}, *const compared[] = {" > ", " >= ", " < ", " <= "};
    char text[512];
    int has = 0, compares = 0;
    snprintf(text, sizeof text, "%.*s", (int)length, line);
    for (size_t i = 0; i < 4; i++) {
        has |= strstr(text, sizes[i]) != NULL;
        compares |= strstr(text, compared[i]) != NULL;
    }
    return has && compares && strstr(text, "offsetof(");
}

static int fields_asked_for;

static void check_source(const char *path)
{
    char *text = file_text(path);
    ck_assert_ptr_nonnull(text);
    for (const char *at = text; (at = strstr(at, "TESS_HAS("));) {
        const char *comma = strchr(at, ','), *from = comma + 1 + strspn(comma + 1, " ");
        if (strncmp(from, "member)", 7) != 0) { /* a macro on top of it */
            check_field(path, from, strcspn(from, ")"));
            fields_asked_for++;
        }
        at = from;
    }
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        ck_assert_msg(!is_other_spelling(at, length), "%s: \"%.*s\": write TESS_HAS(table, field)", path, (int)length, at);
    }
    free(text);
}

static void check_folder(const char *folder)
{
    DIR *d = opendir(folder);
    ck_assert_msg(d != NULL, "%s cannot be read", folder);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        const char *dot = strrchr(e->d_name, '.');
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_type == DT_DIR && *e->d_name != '.')
            check_folder(path);
        else if (dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0))
            check_source(path);
    }
    closedir(d);
}

START_TEST(fields_are_looked_for_in_one_way)
{
    check_folder(TEST_SOURCE "/core");
    check_folder(TEST_SOURCE "/cli");
    check_folder(TEST_SOURCE "/plugins");
    ck_assert_int_ge(fields_asked_for, 20);
    static const char *const other[] = {"n->size > offsetof(struct s, f)", "if (offsetof(struct s, f) < n->size)",
                                        "o.size >= offsetof(struct s, f) + 4"};
    for (size_t i = 0; i < COUNT(other); i++)
        ck_assert(is_other_spelling(other[i], strlen(other[i])));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("abi");
    TCase *tests = tcase_create("layout");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, layout_is_the_golden_one);
    tcase_add_test(tests, appended_fields_begin_behind_the_older_struct);
    tcase_add_test(tests, structs_begin_with_their_size);
    tcase_add_test(tests, every_public_struct_is_in_the_table);
    tcase_add_test(tests, fields_are_looked_for_in_one_way);
    return suite_run(suite);
}
