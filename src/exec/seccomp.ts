/**
 * The filter of system calls inside the sandbox, as a program of classic BPF that the kernel runs before each of them (seccomp(2)). Refused is what reaches
 * past the namespaces, or is there to change the kernel, the machine or its clock; the rest is what programs need. Sources: the lists of Docker and Flatpak.
 */
import { constants } from 'node:os'

/** Numbers of refused calls: on x64, on arm64; undefined where there is no such call. */
const refused: Readonly<Record<string, readonly [x64: number | undefined, arm64: number | undefined]>> = {
  acct: [163, 89],
  add_key: [248, 217],
  adjtimex: [159, 171],
  bpf: [321, 280],
  chroot: [161, 51],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  delete_module: [176, 106],
  fanotify_init: [300, 262],
  finit_module: [313, 273],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  init_module: [175, 105],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  io_uring_setup: [425, 425],
  ioperm: [173, undefined],
  iopl: [172, undefined],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  lookup_dcookie: [212, 18],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  perf_event_open: [298, 241],
  pidfd_getfd: [438, 438],
  pivot_root: [155, 41],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  reboot: [169, 142],
  request_key: [249, 218],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  syslog: [103, 116],
  umount2: [166, 39],
  unshare: [272, 97],
  userfaultfd: [323, 282],
  uselib: [134, undefined],
  vhangup: [153, 58],
}

interface Machine {
  audit: number
  column: 0 | 1
  clone: number
  clone3: number
  socket: number
  ioctl: number
}

const machines: ReadonlyMap<string, Machine> = new Map([
  ['x64', { audit: 0xc000003e, column: 0, clone: 56, clone3: 435, socket: 41, ioctl: 16 }],
  ['arm64', { audit: 0xc00000b7, column: 1, clone: 220, clone3: 435, socket: 198, ioctl: 29 }],
])

/** Of clone(2): any namespace of its own. */
const NAMESPACES = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000
/** Unix, IPv4, IPv6, netlink. Others, such as vsock, reach past the network namespace. */
const FAMILIES = [1, 2, 10, 16]
/** Both put characters into the input of a terminal. */
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
/** Numbers from here on are of the x32 ABI, which reaches the same calls. */
const X32 = 0x40000000

// Where things stand in struct seccomp_data; both machines are little-endian.
const NUMBER = 0
const ARCHITECTURE = 4
const argument = (i: number): number => 16 + 8 * i

const LOAD = 0x20
const RETURN = 0x06
const IF_EQUAL = 0x15
const IF_AT_LEAST = 0x35
const IF_ANY_BIT = 0x45
const ALLOW = 0x7fff0000
const fails = (errno: number): number => 0x00050000 | errno
/** glibc takes clone for a clone3 that is not there, and its flags can be looked at. */
const ENOSYS = fails(constants.errno.ENOSYS)
const EPERM = fails(constants.errno.EPERM)
const EAFNOSUPPORT = fails(constants.errno.EAFNOSUPPORT)
const INSTRUCTION_BYTES = 8

/** One instruction: on a match it goes on `yes` instructions further, else `no`. */
type Instruction = readonly [code: number, value: number, yes?: number, no?: number]

/** When the number just loaded is `call`, the `check` runs, which must end in a return. */
function onCall(call: number, check: readonly Instruction[]): Instruction[] {
  return [[IF_EQUAL, call, 0, check.length], ...check]
}

function program({ audit, column, clone, clone3, socket, ioctl }: Machine): Instruction[] {
  const numbers = Object.values(refused).flatMap(call => call[column] ?? [])
  return [
    [LOAD, ARCHITECTURE],
    [IF_EQUAL, audit, 1, 0],
    [RETURN, ENOSYS],
    [LOAD, NUMBER],
    ...(column === 0
      ? ([
          [IF_AT_LEAST, X32, 0, 1],
          [RETURN, ENOSYS],
        ] as const)
      : []),
    ...numbers.flatMap(call => onCall(call, [[RETURN, EPERM]])),
    ...onCall(clone3, [[RETURN, ENOSYS]]),
    ...onCall(clone, [
      [LOAD, argument(0)],
      [IF_ANY_BIT, NAMESPACES, 0, 1],
      [RETURN, EPERM],
      [RETURN, ALLOW],
    ]),
    ...onCall(ioctl, [
      [LOAD, argument(1)],
      [IF_EQUAL, TIOCSTI, 1, 0],
      [IF_EQUAL, TIOCLINUX, 0, 1],
      [RETURN, EPERM],
      [RETURN, ALLOW],
    ]),
    ...onCall(socket, [
      [LOAD, argument(0)],
      ...FAMILIES.map((family, i) => [IF_EQUAL, family, FAMILIES.length - i, 0] as const),
      [RETURN, EAFNOSUPPORT],
      [RETURN, ALLOW],
    ]),
    [RETURN, ALLOW],
  ]
}

/** The program for this kind of processor, as `bwrap --seccomp` reads it; undefined where it is not known. */
export function seccompProgram(arch: string = process.arch): Buffer | undefined {
  const machine = machines.get(arch)
  if (machine === undefined) return undefined
  const instructions = program(machine)
  const bytes = Buffer.alloc(instructions.length * INSTRUCTION_BYTES)
  for (const [i, [code, value, yes = 0, no = 0]] of instructions.entries()) {
    bytes.writeUInt16LE(code, i * INSTRUCTION_BYTES)
    bytes.writeUInt8(yes, i * INSTRUCTION_BYTES + 2)
    bytes.writeUInt8(no, i * INSTRUCTION_BYTES + 3)
    bytes.writeUInt32LE(value >>> 0, i * INSTRUCTION_BYTES + 4)
  }
  return bytes
}
