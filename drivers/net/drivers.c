/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/net/af_xdp/af_xdp.h"
#include "drivers/net/e1000e/e1000e.h"
#include "drivers/net/igb/igb.h"
#include "drivers/net/ixgbe/ixgbe.h"
#include "drivers/net/net.h"
#include "drivers/net/null/null.h"
#include "drivers/net/pcap/pcap.h"
#include "drivers/net/virtio/virtio.h"

const struct bh_port_driver *const bh_port_drivers[] = {
        &bh_af_xdp_driver, &bh_null_driver,  &bh_pcap_driver,   &bh_e1000e_driver,
        &bh_igb_driver,    &bh_ixgbe_driver, &bh_virtio_driver, NULL,
};
