/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: E300 to E339. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_net[] = {
        {"E305", FAILED, "the vhost-user socket of a port cannot be reached",
         "With server = no (the preset) the other side listens and has to run first. With server = yes we listen, and "
         "it "
         "connects: then it may also go and come again."},
        {"E306", FAILED, "a port cannot listen on its vhost-user socket",
         "Somebody listens there already, or the folder cannot be written, or the path is a file that is not a socket: "
         "it is left alone."},
        {"E307", FAILED, "the arena cannot be given to a vhost-user port", "The message says what the system said."},
        {"E308", FAILED, "the other side of a vhost-user port has gone",
         "The cell was ended. With server = yes the port waits for it to come back: the link is down meanwhile."},
        {"E309", FAILED, "the other side of a vhost-user port does not stop",
         "It had the arena mapped and did not answer when its rings were to be stopped. End that process: until then "
         "it "
         "may still write into the memory that the cell had."},
        {"E310", FAILED, "nobody connected to a port's vhost-user socket", "The message has an example."},
        {"E311", FAILED, "the vhost-user back end is from before VIRTIO 1.0",
         "Use one that offers VIRTIO_F_VERSION_1."},
        {"E312", FAILED, "the vhost-user back end has too few queues",
         "Give it more (testpmd: queues=N in --vdev), or ask for fewer with `queues`."},
        {"E313", FAILED, "no vhost-user back end answers",
         "Something else listens on that socket, or the back end ended while it was greeted."},
        {"E315", FAILED, "the network interface of an AF_XDP port is not there", "ip link lists those that are."},
        {"E316", ROOT, "an AF_XDP port needs root",
         "It loads a program that redirects frames, and opens a raw socket: sudo bulkhead run ..."},
        {"E317", FAILED, "AF_XDP cannot be set up on an interface",
         "The message says at which step, and what the kernel said. Device or resource busy: another XDP program, or "
         "another socket on that queue. Not supported with xdp = zero-copy or native: the card's driver cannot; xdp = "
         "auto "
         "takes the fastest way that works and says which."},
        {"E318", FAILED, "the network interface of an AF_XDP port has gone", "The cell was ended."},
        {"E325", FAILED, "a cell wrote nonsense into the ring of a pcap port",
         "The ring is shared memory that the cell writes; what stood there was no frame, so nothing more is written to "
         "the "
         "file. The cell was ended."},
        {"E326", FAILED, "a capture cannot be read",
         "pcap and pcapng files of Ethernet frames up to 9244 bytes, together up to 4 GiB, can be. tcpdump -r FILE -c "
         "1 "
         "says what it is."},
        {"E327", FAILED, "a capture file cannot be written", "See to it that the folder is there and has room."},
        {"E330", USAGE, "two software network cards of a cell contradict each other",
         "One process plays all cards of a cell and the wires between them, so rate, delay, loss and the like are the "
         "same for all: say them at one port only, or say the same."},
        {NULL, 0, NULL, NULL},
};
