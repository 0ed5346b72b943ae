export { type Approvals, answerAs, approvalsOf } from './approvals.js'
export { type AskOptions, type AskReply, askPerson, questionOf } from './ask.js'
export { ApprovalQueue, type Question } from './queue.js'
