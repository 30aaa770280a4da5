# doc: what is to be read, beside the manual pages.
dist_doc_DATA += README.md doc/BACKUP.md doc/BY-HAND.md doc/FIGURES.md doc/GATEWAY-KEY.md doc/INSTALL.md doc/MAIL.md \
	doc/OPERATE.md doc/PRIVSEP.md doc/SECURITY.md doc/TOUR.md doc/TROUBLESHOOT.md
