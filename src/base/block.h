/* base/block.h: the unit of recording, 1 MiB: one digest, one buffer, one write.
 *
 * The simulator builds the same code with blocks of 4 KiB, so that thousands of runs of many blocks stay quick; what is
 * meant as a number of blocks is therefore written as one. Constants alone; anyone may include it. */
#ifndef HFP_BASE_BLOCK_H
#define HFP_BASE_BLOCK_H

#include <stdint.h>

#ifndef HFP_BLOCK_SHIFT
#define HFP_BLOCK_SHIFT 20
#endif

#define BLOCK_BYTES (UINT64_C(1) << HFP_BLOCK_SHIFT)

#endif
