import { createRoot } from 'react-dom/client'
import { endpoints } from './api/endpoints'
import { App } from './app/App'
import { followSystemTheme } from './app/theme'
import './styles/index.css'

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')

followSystemTheme()
const first = endpoints.network()
const render = () => createRoot(root).render(<App first={first} />)
// the static shell of index.html stays on screen until there is something to put in its place
first.then(render, render)
