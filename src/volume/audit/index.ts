export { AuditChain } from './chain.js'
export type { AuditCounts, AuditDecision, AuditEvent } from './event.js'
export { type AuditFilter, type AuditPage, type AuditRecord, readAudit } from './read.js'
export { type AuditState, type AuditTip, readAuditState } from './state.js'
