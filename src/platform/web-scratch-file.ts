import { refuseInBrowser } from './web-refusal.ts'

// In a browser this module stands in for scratch-file.ts: its runtime maps no files, so nothing asks for one.

export type { ScratchFile } from './scratch-file.ts'

/** Refuses. */
export async function openScratchFile(): Promise<never> {
  return refuseInBrowser('make a temporary file')
}
