import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/**
 * Makes syncs to the disk do nothing in this process, and so a test that is about what is in a volume many times faster on a busy disk.
 * What a process wrote outlives it without them; for those about power failures, full disks and syncs themselves they stay.
 */
fs.fsyncSync = () => {}
fs.fdatasyncSync = () => {}
syncBuiltinESMExports()
