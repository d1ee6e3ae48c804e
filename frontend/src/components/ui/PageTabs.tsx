import { NavLink } from 'react-router'
import { cn } from './cn'

/** Links between pages that belong together, as `[path, name]`; the one that is open is marked. */
export function PageTabs({ label, tabs }: { label: string; tabs: readonly (readonly [string, string])[] }) {
  return (
    <nav aria-label={label} className="flex gap-1">
      {tabs.map(([to, name]) => (
        <NavLink
          key={to}
          to={to}
          end
          className={({ isActive }) =>
            cn(
              'rounded-control px-3 py-2 font-medium',
              isActive ? 'bg-brand-soft text-brand' : 'text-muted hover:bg-sunken hover:text-ink',
            )
          }
        >
          {name}
        </NavLink>
      ))}
    </nav>
  )
}
