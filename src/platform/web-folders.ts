import { refuseInBrowser } from './web-refusal.ts'

// In a browser this module stands in for folders.ts: a folder is the URL that its files' URLs begin with.

export type { FileContent } from './folders.ts'

/** The URL of `name` in `folder`. */
export function pathIn(folder: string, name: string): string {
  return `${folder.replace(/\/$/, '')}/${name}`
}

/** The folder itself: a server that replaces its files is not seen half-way here. */
export async function currentFolder(path: string): Promise<string> {
  return path.replace(/\/$/, '')
}

/** Refuses. */
export async function writeFolderAtomic(path: string, _files: unknown): Promise<void> {
  refuseInBrowser(`write the folder '${path}'`)
}

/** Refuses. */
export async function listFolders(path: string): Promise<string[]> {
  return refuseInBrowser(`list the folder '${path}'`)
}

/** Refuses. */
export async function removeFolder(path: string): Promise<void> {
  refuseInBrowser(`remove the folder '${path}'`)
}

/** Refuses. */
export async function removeUnfinished(path: string): Promise<void> {
  refuseInBrowser(`tidy the folder '${path}'`)
}
