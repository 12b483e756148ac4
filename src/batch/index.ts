export type { BatchLine } from './batch-line.ts'
