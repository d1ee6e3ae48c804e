export const MAX_FILES = 20
export const MAX_FILE_BYTES = 25 * 1024 * 1024

/** What is wrong with chosen files, in a sentence. */
export function filesError(files: readonly File[]): string | undefined {
  if (files.length > MAX_FILES) return `At most ${MAX_FILES} files.`
  const large = files.find((file) => file.size > MAX_FILE_BYTES)
  if (large) return `${large.name} is larger than 25 MiB.`
  if (new Set(files.map((file) => file.name)).size < files.length) return 'Two files have the same name.'
  return undefined
}
