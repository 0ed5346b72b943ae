export { CairnError, CorruptError, type PosixCode, type Retry } from './errors.js'
export type { BatchAnswer, BatchOp, Precondition, StagedWrite, TransactionFs, VolumeFs } from './node/index.js'
export type { Batch, BatchOptions, BatchResult } from './sdk/batch.js'
export { BatchError } from './sdk/batch-error.js'
export { Cairn } from './sdk/cairn.js'
export { doctor } from './sdk/doctor.js'
export type {
  AuditEvent,
  AuditHead,
  AuditOptions,
  AuditRecord,
  AuditTip,
  AuditVerification,
  BlameLine,
  Caches,
  CairnApi,
  CairnOptions,
  Check,
  Copied,
  CopyOptions,
  DiffChange,
  DiffOptions,
  DiffSide,
  DoctorReport,
  FsckOptions,
  FsckProgress,
  GcOptions,
  GcProgress,
  GcReport,
  LocalCopy,
  LogEntry,
  LogOptions,
  MountInfo,
  MountOptions,
  OpenVolume,
  PrefetchOptions,
  PrefetchResult,
  ServerStatus,
  StatsReport,
  StatusReport,
  StoreCache,
  VolumeHistory,
  VolumeUsage,
} from './sdk/types.js'
export type { Change, CommitInfo, CommitKind, Finding, FsckReport, StoredDamage, VolumeInfo, VolumeStatus } from './volume/api.js'
