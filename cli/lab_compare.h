/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LAB_COMPARE_H
#define CLI_LAB_COMPARE_H

/* lab_compare - argv[0] is "compare". Return: an exit code. */
int lab_compare(int argc, char **argv);

#endif
