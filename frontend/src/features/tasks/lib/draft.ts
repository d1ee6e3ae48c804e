import { EMPTY_FORM, type TaskForm } from './form'

/** A form that was not posted: everything but the contents of its files, which a page cannot keep. */
export interface Draft {
  form: TaskForm
  /** Names of the files that must be chosen again. */
  fileNames: string[]
}

const KEY = 'aicp.task-draft'

type Stored = Partial<Record<keyof TaskForm | 'fileNames', unknown>>

/** The form as it was left in this tab, or null. What does not fit the form of today is left out. */
export function loadDraft(): Draft | null {
  const text = sessionStorage.getItem(KEY)
  if (text === null) return null
  const stored = JSON.parse(text) as Stored
  const fields = Object.entries(EMPTY_FORM).filter(([name]) => name !== 'files')
  const kept = fields.filter(([name, empty]) => typeof stored[name as keyof TaskForm] === typeof empty)
  const form = { ...EMPTY_FORM, ...Object.fromEntries(kept.map(([name]) => [name, stored[name as keyof TaskForm]])) }
  const fileNames = Array.isArray(stored.fileNames) ? stored.fileNames.filter((name) => typeof name === 'string') : []
  return { form, fileNames }
}

/** Keeps the form for a reload; a form nobody has touched is no draft. */
export function saveDraft(form: TaskForm) {
  const { files, ...fields } = form
  const untouched =
    files.length === 0 && Object.entries(fields).every(([name, v]) => EMPTY_FORM[name as keyof TaskForm] === v)
  if (untouched) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, JSON.stringify({ ...fields, fileNames: files.map((file) => file.name) }))
}

export const dropDraft = () => sessionStorage.removeItem(KEY)
