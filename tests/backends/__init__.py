"""Each backend against a server or a stand-in of one, over a real socket where it speaks to one."""
