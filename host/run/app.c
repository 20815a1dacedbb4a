/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "host/run/internal.h"

static const struct bh_app_host *
host_of(const struct bh_cell *cell)
{
	return cell->config->app != NULL ? cell->config->app->host : NULL;
}

int
bh_app_open(struct bh_cell *cell, struct bh_error *error)
{
	const struct bh_app_host *host = host_of(cell);
	struct bh_backend *channel = NULL;
	if (host == NULL)
		return 0;
	const struct bh_device_config *same = bh_config_device(cell->config, cell->config->app->name);
	if (same != NULL)
		return bh_config_error_id(cell->config, same->section, "backend", "E016", error,
		                          "application %s has a device of that name itself; give this one another",
		                          cell->config->app->name);
	int err = host->open(cell->config, cell->cpus.cell_cnt, &cell->app_state, &channel, error);
	if (err != 0 || channel == NULL)
		return err;
	cell->app_device = (struct bh_device_config){.backend = BH_BACKEND_NULL, .model = "channel"};
	snprintf(cell->app_device.name, sizeof(cell->app_device.name), "%s", cell->config->app->name);
	cell->device[cell->device_cnt++] = (struct bh_cell_device){.config = &cell->app_device, .backend = channel};
	return 0;
}

int
bh_app_start(struct bh_cell *cell, struct bh_error *error)
{
	const struct bh_app_host *host = host_of(cell);
	return host != NULL && host->start != NULL ? host->start(cell->app_state, error) : 0;
}

bool
bh_app_reloads(const struct bh_cell *cell)
{
	const struct bh_app_host *host = host_of(cell);
	return host != NULL && host->reload != NULL && cell->options.reread != NULL;
}

void
bh_app_reload(struct bh_cell *cell)
{
	struct bh_run_config *fresh = NULL;
	struct bh_error error = {0};
	int err = cell->options.reread(cell->options.context, &fresh, &error);
	if (err == 0)
		err = host_of(cell)->reload(cell->app_state, fresh, &error);
	if (err != 0)
		bh_warn(cell, "E346", "reload: nothing was changed: %s", error.text);
	cell->result.reload_cnt += err == 0;
	cell->result.reload_refused_cnt += err != 0;
	bh_config_free(fresh);
}

void
bh_app_close(struct bh_cell *cell)
{
	if (cell->app_state != NULL)
		host_of(cell)->close(cell->app_state);
	cell->app_state = NULL;
}
