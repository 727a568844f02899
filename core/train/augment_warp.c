/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/augment_warp.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

bool qb_augment_warps(const struct qb_augment_config *c)
{
	return c->rotate > 0 || c->shear > 0 || c->scale > 0;
}

bool qb_augment_resamples(const struct qb_augment_config *c)
{
	return qb_augment_warps(c) || c->brightness > 0;
}

void qb_augment_map(const struct qb_augment_config *c, const struct qb_augment_sample *s, double map[4])
{
	double a = (2 * qb_augment_draw(s, QB_AUGMENT_ROTATE) - 1) * c->rotate * (PI / 180);
	double k = (2 * qb_augment_draw(s, QB_AUGMENT_SHEAR) - 1) * c->shear;
	double size = 1 + (2 * qb_augment_draw(s, QB_AUGMENT_SCALE) - 1) * c->scale;
	double cosine = size * cos(a), sine = size * sin(a);

	map[0] = cosine;
	map[1] = k * cosine - sine;
	map[2] = sine;
	map[3] = k * sine + cosine;
}

/* Pixel (y, x) of a channel; 0 outside. */
static double pixel(const struct qb_augment_image *image, const void *channel, int64_t y, int64_t x)
{
	int64_t i = y * image->width + x;

	if (y < 0 || y >= image->height || x < 0 || x >= image->width) {
		return 0;
	}
	return image->type == QB_U8 ? ((const uint8_t *)channel)[i] : (double)((const float *)channel)[i];
}

static double between(const struct qb_augment_image *image, const void *channel, double y, double x)
{
	double top = floor(y), left = floor(x), dy = y - top, dx = x - left;
	int64_t i = (int64_t)top, k = (int64_t)left;
	double above = pixel(image, channel, i, k) * (1 - dx) + pixel(image, channel, i, k + 1) * dx;
	double below = pixel(image, channel, i + 1, k) * (1 - dx) + pixel(image, channel, i + 1, k + 1) * dx;

	return above * (1 - dy) + below * dy;
}

void qb_augment_warp(const struct qb_augment_image *image, const double map[4], const void *src, void *out)
{
	double middle_y = (double)(image->height - 1) / 2, middle_x = (double)(image->width - 1) / 2;
	int64_t places = image->height * image->width;

	for (int64_t i = 0; i < image->channels * places; i++) {
		const char *channel = (const char *)src + (size_t)(i / places * places) * qb_dtype_bytes(image->type);
		double y = (double)(i % places / image->width) - middle_y, x = (double)(i % image->width) - middle_x;
		double v = between(image, channel, middle_y + map[2] * x + map[3] * y, middle_x + map[0] * x + map[1] * y);

		if (image->type == QB_U8) {
			((uint8_t *)out)[i] = (uint8_t)(v + 0.5);
		} else {
			((float *)out)[i] = (float)v;
		}
	}
}

void qb_augment_brighten(const struct qb_augment_config *c, const struct qb_augment_sample *s,
	const struct qb_augment_image *image, void *x)
{
	double factor = 1 + (2 * qb_augment_draw(s, QB_AUGMENT_BRIGHTNESS) - 1) * c->brightness;

	for (int64_t i = 0; i < image->channels * image->height * image->width; i++) {
		if (image->type == QB_U8) {
			uint8_t *p = (uint8_t *)x + i;

			*p = (uint8_t)fmin(*p * factor + 0.5, UINT8_MAX);
		} else {
			float *p = (float *)x + i;

			*p = (float)(*p * factor);
		}
	}
}
