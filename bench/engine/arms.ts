import type { OpenEngine } from './arm.ts'
import { openLlamaCpp } from './llama-cpp.ts'
import { openNextx } from './nextx.ts'

export const engines = { nextx: openNextx, 'llama.cpp': openLlamaCpp } as const satisfies Record<string, OpenEngine>

export type EngineName = keyof typeof engines
