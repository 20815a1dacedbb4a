/* SPDX-License-Identifier: Apache-2.0 */
/* compare: E180 to E199. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_compare[] = {
        {"E180", USAGE, "an option of compare is not valid", "`bulkhead compare --help` lists them with their ranges."},
        {"E181", FAILED, "fio is missing",
         "Side A of a comparison is Linux as fio drives it. Install it: apt-get install fio."},
        {"E183", REFUSED, "the serial number does not name this device",
         "--destructive writes over the whole device. It asks for the serial number so that a wrong address destroys "
         "nothing; it stands on the drive's label and in /sys/class/nvme/nvmeN/serial."},
        {"E184", FAILED, "not a device that can be compared",
         "compare needs an NVMe function that Linux's own driver holds, with a disk for the namespace. After a crash, "
         "`bulkhead unbind ADDRESS` gives a device back first."},
        {"E185", FAILED, "the comparison was interrupted",
         "A signal ended it. The device and the settings were given back; the report holds the runs until then and "
         "decides nothing."},
        {"E186", FAILED, "no journal of changes can be kept",
         "Every change of the machine is written to /run/bulkhead/compare before it is made. Without it nothing is "
         "changed. Look at the folder's permissions and room."},
        {"E187", FAILED, "a setting could not be put back",
         "The message names the file and the value that stood there. `bulkhead compare nvme ADDRESS --restore`, or "
         "`bulkhead compare net --restore`, tries again from the journal."},
        {"E188", FAILED, "the comparison could not start", "The message has the reason."},
        {"E189", FAILED, "the report could not be written", "Look at the folder's permissions and room."},
        {"E190", FAILED, "fio's output is not what was asked for",
         "It is kept in the report's folder, raw/. fio 3.33 was tested; an other version may print something else."},
        {"E191", FAILED, "fio failed", "Its own message is in the report's folder, raw/*.err."},
        {"E192", FAILED, "the cell's output is not what was asked for", "It is kept in the report's folder, raw/."},
        {"E193", FAILED, "the cell failed in a run",
         "Its own messages are in the report's folder, raw/*.err; the run's command can be repeated by hand."},
        {"E380", FAILED, "the ports of a comparison of networks cannot be made",
         "It needs root, ip (iproute2), ethtool, and a kernel with network namespaces and veth. The message has the "
         "command that failed."},
        {"E381", USAGE, "a comparison of networks needs two CPUs",
         "One for the generator, one for what is compared. On fewer, neither side's figures mean anything."},
        {"E382", USAGE, "not a configuration that can be compared with Linux",
         "`bulkhead compare net FILE --generator FILE2` takes side B's configuration as `bulkhead run` does: app = "
         "xconnect "
         "(mode forward) or fwd (mode router), one CPU, and two [port NAME]s with backend = vfio and an address each. "
         "Two "
         "files, one of each application, must have the same two cards and the same CPU."},
        {"E383", USAGE, "not a generator for these cards",
         "What stands on the other ends of both wires is a pktgen cell over two more cards: --generator FILE2, with "
         "app = "
         "pktgen, two [port NAME]s with backend = vfio, none of FILE's cards, and a CPU that is not FILE's. FILE's "
         "first "
         "port must be on the wire of pktgen's tx, its second on the wire of rx."},
        {"E384", REFUSED, "a card of the comparison cannot be taken",
         "Something of this machine uses it, its interface is up or has addresses (a comparison would lose them), or "
         "nobody "
         "knows which driver of Linux it belongs to. Take it out of use (`ip link set NAME down`, `ip addr flush dev "
         "NAME`; "
         "vfio-pci by somebody else's hand: bind it to its own driver), then try again. There is no override."},
        {NULL, 0, NULL, NULL},
};
