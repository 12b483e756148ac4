import { decodePicture, encodePng, type IdxArray, readIdx } from 'nextx/formats'

/** Files as plain data. */
export interface PictureFiles {
  readonly pictures: readonly (readonly number[])[]
  readonly idx: readonly number[]
}

export interface ReadFiles {
  /** What each picture holds, and what it holds after having been written as PNG. */
  readonly pictures: readonly (readonly number[])[]
  readonly again: readonly (readonly number[])[]
  readonly idx: { readonly shape: IdxArray['shape']; readonly data: readonly number[] }
}

export async function readFiles({ pictures: files, idx: file }: PictureFiles): Promise<ReadFiles> {
  const pictures = await Promise.all(files.map((bytes) => decodePicture(Uint8Array.from(bytes))))
  const again = await Promise.all(pictures.map((picture) => decodePicture(encodePng(picture))))
  const { shape, data } = await readIdx(Uint8Array.from(file))
  const pixelsOf = ({ pixels }: { readonly pixels: Uint8Array }) => [...pixels]
  return { pictures: pictures.map(pixelsOf), again: again.map(pixelsOf), idx: { shape, data: [...data] } }
}
