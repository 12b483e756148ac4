export type { Service } from '../serve/service.ts'
