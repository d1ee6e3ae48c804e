import { SelectField } from '@/components/ui/Field'
import { CHOICES } from './lib/kinds'

/** Chooses what is sent somewhere, by name. */
export function KindsField({ value, onChange }: { value: string; onChange: (name: string) => void }) {
  return (
    <SelectField label="What to send" value={value} onChange={(event) => onChange(event.target.value)}>
      {Object.keys(CHOICES).map((name) => (
        <option key={name}>{name}</option>
      ))}
    </SelectField>
  )
}
