import { RuntimeError } from '../base/errors.ts'
import type { Diagnosis } from './diagnose.ts'

// In a browser this module stands in for diagnose.ts.

/** Refuses: it looks at Node.js and the machine, which a browser hides. Throws RuntimeError. */
export async function diagnose(): Promise<Diagnosis> {
  throw new RuntimeError('diagnose() works in Node.js only', { fix: 'open a device, and read its info' })
}
