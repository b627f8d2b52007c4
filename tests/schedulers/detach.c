/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Detaches every struct_ops link that there is, as `bpftool link detach` does: from outside, while its holder lives.
 * Prints the id of each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

int main(void)
{
	__u32 id = 0;
	int status = 1;

	while (!bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info info = {};
		__u32 size = sizeof(info);
		int link = bpf_link_get_fd_by_id(id);

		if (link < 0)
			continue;
		if (!bpf_link_get_info_by_fd(link, &info, &size) && info.type == BPF_LINK_TYPE_STRUCT_OPS) {
			if (bpf_link_detach(link)) {
				fprintf(stderr, "link %u: %s\n", id, strerror(errno));
				return 2;
			}
			printf("%u\n", id);
			status = 0;
		}
		close(link);
	}
	return status;
}
